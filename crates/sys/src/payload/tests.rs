use std::{
    fs::{self, OpenOptions},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::mpsc,
    thread,
    time::Instant,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
    sys::{
        mman::{MapFlags, ProtFlags},
        signal::{Signal, kill},
        stat::fstat,
        wait::{WaitStatus, waitpid},
    },
    unistd::{ForkResult, fork, ftruncate, pause, write},
};
use parking_lot::{Mutex, MutexGuard};

use super::{file::File, mapping::Mapping, reusable, *};

/// Held by tests that keep memory or fork: kept memory belongs to the process.
static ALONE: Mutex<()> = Mutex::new(());

fn new_keeper() -> Keeper {
    Keeper::of_pool(Box::new(|| ())).expect("the address space is limited")
}

fn keep_memory() -> (Keeper, MutexGuard<'static, ()>) {
    let alone = ALONE.lock();
    (new_keeper(), alone)
}

#[test]
fn opened_payload_has_the_bytes_and_is_immutable() {
    let sent = Payload::create(&[b"one ", b"", b"two"]).unwrap();
    assert_eq!(sent.bytes(), b"one two");
    let fd = sent.as_fd().try_clone_to_owned().unwrap();
    assert!(write(&fd, b"x").is_err() && ftruncate(&fd, 3).is_err() && ftruncate(&fd, 9).is_err());
    drop(sent);
    assert_eq!(Payload::open(fd, 7).unwrap().bytes(), b"one two");
}

#[test]
fn rejects_unsealed_files_and_other_lengths() {
    let sealed = || Payload::create(&[b"seven !"]).unwrap().as_fd().try_clone_to_owned().unwrap();
    assert!(Payload::open(sealed(), 6).is_err() && Payload::open(sealed(), 8).is_err());
    assert!(Payload::create(&[]).is_err());
    let mut open = PayloadWriter::new().unwrap();
    open.write_all(b"seven !").unwrap();
    assert!(Payload::open(open.fd, 7).is_err(), "the file is not sealed");
    let null = OwnedFd::from(fs::File::open("/dev/null").unwrap());
    assert!(Payload::open(null, 7).is_err());
}

#[test]
fn private_copy_can_be_changed_and_the_file_cannot() {
    let sent = Payload::create(&[b"one two"]).unwrap();
    let mut copy = sent.private_copy().unwrap();
    copy.bytes_mut()[0] = b'O';
    assert_eq!((copy.bytes(), sent.bytes()), (&b"One two"[..], &b"one two"[..]));
    drop(sent);
    assert_eq!(copy.bytes(), b"One two");
}

#[test]
fn payload_is_filled_in_place() {
    let _alone = ALONE.lock();
    let filled = Payload::with_length(70_000, |bytes| {
        assert!(bytes.iter().all(|&byte| byte == 0));
        bytes[69_999] = 7;
    });
    let filled = filled.unwrap();
    assert_eq!((filled.length(), filled.bytes()[69_999]), (70_000, 7));
    assert!(write(&filled, b"x").is_err());
    assert!(Payload::with_length(0, |_| {}).is_err());
    assert!(Payload::with_length(usize::MAX, |_| {}).is_err());
    assert!(Payload::with_length(usize::MAX / 2, |_| {}).is_err());
}

#[test]
fn child_that_is_forked_meanwhile_does_not_keep_the_payload_from_being_sealed() {
    let _alone = ALONE.lock();
    let mut child = None;
    let filled = Payload::with_length(70_000, |bytes| {
        bytes[0] = 7;
        // SAFETY: the child only makes a call that is async-signal-safe, until it is killed.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => loop {
                pause();
            },
            ForkResult::Parent { child: pid } => child = Some(pid),
        }
    });
    kill(child.unwrap(), Signal::SIGKILL).unwrap();
    waitpid(child, None).unwrap();
    assert_eq!(filled.unwrap().bytes()[0], 7);
}

#[test]
fn opens_only_sealed_files_of_a_process() {
    let pid = std::process::id();
    let sealed = Payload::create(&[b"seven !"]).unwrap();
    let opened = Payload::open_of_process(pid, sealed.number(), 7).unwrap();
    assert_ne!(opened.number(), sealed.number());
    drop(sealed);
    assert_eq!(opened.bytes(), b"seven !");
    assert!(Payload::open_of_process(pid, opened.number(), 8).is_err());
    let mut open = PayloadWriter::new().unwrap();
    open.write_all(b"seven !").unwrap();
    let (null, pipe) = (fs::File::open("/dev/null").unwrap(), nix::unistd::pipe().unwrap());
    for number in [open.fd.as_raw_fd(), null.as_raw_fd(), pipe.0.as_raw_fd(), -1, i32::MAX] {
        assert!(Payload::open_of_process(pid, number as u32, 7).is_err(), "{number}");
    }
    assert!(Payload::open_of_process(0, opened.number(), 7).is_err());
}

const LENGTH: usize = 100_000;

/// Returns the number of the file's inode.
fn inode(payload: &Payload) -> u64 {
    fstat(payload).unwrap().st_ino
}

fn open_own(payload: &Payload) -> Payload {
    Payload::open_of_process(std::process::id(), payload.number(), payload.length()).unwrap()
}

#[test]
fn memory_of_a_dropped_payload_is_used_again() {
    let _keeper = keep_memory();
    let first = Payload::copy_of(&[1; LENGTH]).unwrap();
    let file = inode(&first);
    drop(first);
    let second = Payload::copy_of(&[2; LENGTH - 5000]).unwrap();
    assert_eq!((inode(&second), second.bytes()), (file, &[2; LENGTH - 5000][..]));
    let File::Reusable(memory) = second.file() else { panic!("it is not reusable") };
    let behind = &memory.bytes(LENGTH)[LENGTH - 5000..];
    assert!(behind.iter().all(|&byte| byte == 0), "data of the first payload is left");
    let other = Payload::copy_of(&[3; LENGTH]).unwrap();
    assert_ne!(inode(&other), file, "two payloads have the same memory");
    drop(second);
    let filled = Payload::with_length(LENGTH, |bytes| assert!(bytes.iter().all(|&byte| byte == 0))).unwrap();
    assert_eq!(inode(&filled), file);
    drop(filled);
    assert_ne!(inode(&Payload::copy_of(&[4; LENGTH / 3]).unwrap()), file, "most of it would be wasted");
}

#[test]
fn payload_that_is_open_elsewhere_does_not_change() {
    let _keeper = keep_memory();
    let sent = Payload::copy_of(&[1; LENGTH]).unwrap();
    let (file, opened) = (inode(&sent), open_own(&sent));
    drop(sent);
    let other = Payload::copy_of(&[2; LENGTH]).unwrap();
    assert_ne!(inode(&other), file);
    assert_eq!(opened.bytes(), [1; LENGTH]);
    drop((opened, other));
    let files = [Payload::copy_of(&[3; LENGTH]).unwrap(), Payload::copy_of(&[4; LENGTH]).unwrap()];
    assert!(files.iter().any(|payload| inode(payload) == file), "it is closed and is not used again");
}

#[test]
fn other_processes_can_only_read_a_reusable_file() {
    let _keeper = keep_memory();
    let sent = Payload::copy_of(&[1; LENGTH]).unwrap();
    let path = format!("/proc/self/fd/{}", sent.number());
    let writable = OwnedFd::from(OpenOptions::new().read(true).write(true).open(path).unwrap());
    assert_eq!(write(&writable, b"x"), Err(Errno::EPERM));
    assert_eq!(ftruncate(&writable, 0), Err(Errno::EPERM));
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    assert!(Mapping::of_file(&writable, LENGTH, protection, MapFlags::MAP_SHARED).is_err());
    assert!(Payload::open(writable, LENGTH).is_err(), "its descriptor is passed on");
}

#[test]
fn file_that_another_process_can_change_is_copied() {
    let _keeper = keep_memory();
    let pid = std::process::id();
    let sent = Payload::copy_of(&[1; LENGTH]).unwrap();
    let Ok(Received::Changeable(file)) = Payload::receive_of_process(pid, sent.number(), LENGTH) else {
        panic!("it is not known as changeable")
    };
    let copy = file.read().unwrap();
    drop((sent, file));
    let _next = Payload::copy_of(&[2; LENGTH]).unwrap();
    assert_eq!(copy.bytes(), [1; LENGTH]);
    let sealed = Payload::create(&[&[1; LENGTH]]).unwrap();
    assert!(matches!(Payload::receive_of_process(pid, sealed.number(), LENGTH), Ok(Received::Sealed(_))));
}

#[test]
fn copy_takes_no_more_memory_than_the_file() {
    let hollow = PayloadWriter::new().unwrap().fd;
    ftruncate(&hollow, 1 << 40).unwrap();
    fcntl(&hollow, FcntlArg::F_ADD_SEALS(reusable::SEALS)).unwrap();
    for length in [LENGTH, MAX_REUSED, 1 << 40] {
        let number = hollow.as_raw_fd().unsigned_abs();
        assert!(Payload::receive_of_process(std::process::id(), number, length).is_err(), "{length}");
    }
}

#[test]
fn private_memory_is_used_again() {
    let _keeper = keep_memory();
    let sealed = Payload::create(&[&[1; LENGTH]]).unwrap();
    let first = sealed.private_copy().unwrap();
    let start = first.bytes().as_ptr();
    drop(first);
    let second = PrivateCopy::of(&[2; LENGTH]).unwrap();
    assert_eq!((second.bytes().as_ptr(), second.bytes()), (start, &[2; LENGTH][..]));
}

#[test]
fn forked_process_sees_the_payload_as_it_was() {
    let _keeper = keep_memory();
    let sent = Payload::copy_of(&[1; LENGTH]).unwrap();
    let (file, pipes) = (inode(&sent), [nix::unistd::pipe().unwrap(), nix::unistd::pipe().unwrap()]);
    let [(read_end, write_end), (dropped_read, dropped_write)] = &pipes;
    // SAFETY: the child only reads, writes and compares memory, until it exits.
    let child = match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let _ = nix::unistd::read(read_end, &mut [0]);
            let is_same = sent.bytes().iter().all(|&byte| byte == 1);
            // It must not write to the file, either.
            let _ = write(dropped_write, b"x");
            // SAFETY: the call ends the process.
            unsafe { libc::_exit(i32::from(!is_same)) }
        }
        ForkResult::Parent { child } => child,
    };
    drop(sent);
    let next = Payload::copy_of(&[2; LENGTH]).unwrap();
    assert_ne!(inode(&next), file);
    write(write_end, b"x").unwrap();
    nix::unistd::read(dropped_read, &mut [0]).unwrap();
    assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
    assert_eq!(next.bytes(), [2; LENGTH]);
}

#[test]
fn kept_memory_is_limited_and_freed() {
    let (keeper, _alone) = keep_memory();
    let all: Vec<_> = (0..20).map(|_| Payload::copy_of(&vec![1; 4 << 20]).unwrap()).collect();
    let files = |all: &[Payload]| all.iter().map(inode).collect::<Vec<_>>();
    let before = files(&all);
    drop(all);
    let again: Vec<_> = (0..20).map(|_| Payload::copy_of(&vec![1; 4 << 20]).unwrap()).collect();
    let reused = files(&again).iter().filter(|&file| before.contains(file)).count();
    assert_eq!(reused, 16, "64 MiB are kept");
    drop(again);
    assert!(time_to_free().is_some());
    drop(keeper);
    assert!(time_to_free().is_none());
    let (keeper, before) = (new_keeper(), Payload::copy_of(&[1; LENGTH]).unwrap());
    drop(keeper);
    drop(before);
    assert!(time_to_free().is_none(), "memory is kept without a keeper");
}

#[test]
fn kept_memory_is_freed_when_it_is_not_used() {
    let _alone = ALONE.lock();
    let (wake, woken) = mpsc::channel();
    let _keeper = Keeper::of_pool(Box::new(move || wake.send(()).unwrap())).unwrap();
    let waiting = thread::spawn(move || {
        woken.recv().unwrap();
        let begin = Instant::now();
        while let Some(time) = time_to_free() {
            thread::sleep(time);
            free_unused();
        }
        begin.elapsed()
    });
    drop(Payload::copy_of(&[1; LENGTH]).unwrap());
    assert!(waiting.join().unwrap().as_millis() >= 900);
}
