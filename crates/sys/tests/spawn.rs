//! Starting processes: their initial state, and resources left in the parent.

#![allow(clippy::unwrap_used)]

use std::{
    env,
    ffi::c_int,
    fs::{self, File},
    io::{self, PipeReader, Read},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::fs::PermissionsExt,
    },
    process, thread,
    time::{Duration, Instant},
};

use job::DeathCause;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, kill, killpg, sigaction},
        wait::waitpid,
    },
    unistd::{Pid, getpgrp, setpgid},
};
use parking_lot::{Mutex, MutexGuard};
use sys::{
    placement::Placement,
    process::Process,
    spawn::{ProcessBuilder, SpawnError},
};

/// Serializes tests, which share the signals, descriptors and children of one process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock()
}

fn null() -> File {
    File::open("/dev/null").unwrap()
}

/// Starts a program whose last argument is a path to write to; returns what it has written after it has
/// ended.
fn output(program: &str, arguments: &[&str], change: impl FnOnce(&mut ProcessBuilder)) -> String {
    let (mut reader, writer) = io::pipe().unwrap();
    let mut builder = ProcessBuilder::new(program);
    builder.args(arguments).args([format!("/proc/self/fd/{}", writer.as_raw_fd())]);
    change(&mut builder);
    let process = builder.spawn(writer.as_fd()).unwrap();
    drop(writer);
    let mut output = String::new();
    reader.read_to_string(&mut output).unwrap();
    assert_eq!(process.reap().unwrap().cause, DeathCause::Exited(0));
    output
}

/// Returns the signals in a line of `/proc/self/status`.
fn signals(status: &str, name: &str) -> Vec<c_int> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let bits = u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap();
    (1..=64).filter(|signal| bits & (1 << (signal - 1)) != 0).collect()
}

extern "C" fn ignore_call(_: c_int) {}

fn handle(signal: Signal, handler: SigHandler) -> SigAction {
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handlers of these tests make at most system calls.
    unsafe { sigaction(signal, &action) }.unwrap()
}

#[test]
fn process_inherits_streams_and_one_descriptor_only() {
    let _alone = alone();
    let folder = env::temp_dir().join(format!("runner-spawn-{}", process::id()));
    fs::create_dir(&folder).unwrap();
    let [listing, kept, stray] = ["listing", "kept", "stray"].map(|name| folder.join(name));
    fs::write(&stray, "").unwrap();
    let keep = File::create(&kept).unwrap();
    let path = std::ffi::CString::new(stray.to_str().unwrap()).unwrap();
    // SAFETY: the path is a valid string; the descriptor is new and deliberately lacks close-on-exec.
    assert!(unsafe { libc::open(path.as_ptr(), libc::O_RDONLY) } > 2);
    let script = format!("ls -l /proc/$$/fd > {}", listing.display());
    ProcessBuilder::new("/bin/sh").args(["-c", &script]).spawn(keep.as_fd()).unwrap().reap();
    let seen = fs::read_to_string(&listing).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert!(seen.contains(kept.to_str().unwrap()) && !seen.contains(stray.to_str().unwrap()), "{seen}");
    assert!(seen.contains(" 0 -> /dev/null"), "{seen}");
}

#[test]
fn initial_signals_do_not_depend_on_the_parent() {
    let _alone = alone();
    let blocked = SigSet::from_iter([Signal::SIGTERM, Signal::SIGUSR1]);
    let before = blocked.thread_swap_mask(SigmaskHow::SIG_BLOCK).unwrap();
    let changed = [
        (Signal::SIGUSR2, SigHandler::Handler(ignore_call)),
        (Signal::SIGHUP, SigHandler::SigIgn),
        (Signal::SIGCHLD, SigHandler::SigIgn),
        (Signal::SIGPIPE, SigHandler::SigIgn),
        (Signal::SIGXFSZ, SigHandler::SigIgn),
    ];
    let actions = changed.map(|(signal, handler)| (signal, handle(signal, handler)));
    let (mut reader, writer) = io::pipe().unwrap();
    let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
    let mut builder = ProcessBuilder::new("cp");
    let process = builder.args(["/proc/self/status", &path]).spawn(writer.as_fd()).unwrap();
    drop(writer);
    let mut status = String::new();
    reader.read_to_string(&mut status).unwrap();
    process.reap();
    // The parent's signal mask and actions are unchanged.
    assert_eq!(SigSet::thread_get_mask().unwrap(), {
        let mut expected = before;
        expected.extend(&blocked);
        expected
    });
    for (signal, before) in actions {
        // SAFETY: the action was in force before.
        let replaced = unsafe { sigaction(signal, &before) }.unwrap();
        assert!(!matches!(replaced.handler(), SigHandler::SigDfl), "{signal}");
    }
    before.thread_set_mask().unwrap();

    assert_eq!(signals(&status, "SigBlk"), [libc::SIGINT]);
    assert_eq!(signals(&status, "SigCgt"), []);
    // The tests may have been started with other signals ignored.
    let ignored = signals(&status, "SigIgn");
    assert!(ignored.contains(&libc::SIGHUP), "{ignored:?}");
    for signal in [libc::SIGCHLD, libc::SIGPIPE, libc::SIGUSR2] {
        assert!(!ignored.contains(&signal), "{ignored:?}");
    }
}

#[test]
fn no_handler_of_the_parent_runs_in_the_child() {
    use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::SeqCst};
    static PARENT: AtomicI32 = AtomicI32::new(0);
    static HANDLED_IN_CHILD: AtomicBool = AtomicBool::new(false);
    static HANDLED_IN_PARENT: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn note(_: c_int) {
        // Statics are in memory that parent and child would share.
        if nix::unistd::getpid().as_raw() == PARENT.load(SeqCst) {
            HANDLED_IN_PARENT.fetch_add(1, SeqCst);
        } else {
            HANDLED_IN_CHILD.store(true, SeqCst);
        }
    }
    let _alone = alone();
    PARENT.store(nix::unistd::getpid().as_raw(), SeqCst);
    // The child is in this group until it leads its own; no other process must receive the signals.
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    let before = handle(Signal::SIGUSR2, SigHandler::Handler(note));
    let group = getpgrp();
    let over = AtomicBool::new(false);
    let mut killed = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(SeqCst) {
                let _ = killpg(group, Signal::SIGUSR2);
                thread::yield_now();
            }
        });
        for _ in 0..100 {
            let process = ProcessBuilder::new("true").spawn(null().as_fd());
            // A child that receives the signal after it has reset its handlers dies of it.
            let cause = process.ok().and_then(|process| process.reap()).map(|death| death.cause);
            killed += u32::from(cause == Some(DeathCause::Signalled(libc::SIGUSR2)));
        }
        over.store(true, SeqCst);
    });
    // SAFETY: the action was in force before.
    unsafe { sigaction(Signal::SIGUSR2, &before) }.unwrap();
    println!("{} signals were handled; {killed} children died of the signal", HANDLED_IN_PARENT.load(SeqCst));
    assert!(HANDLED_IN_PARENT.load(SeqCst) > 100 && !HANDLED_IN_CHILD.load(SeqCst));
}

#[test]
fn looks_up_programs_in_the_path_of_the_child() {
    let _alone = alone();
    let folder = env::temp_dir().join(format!("runner-path-{}", process::id()));
    fs::create_dir_all(folder.join("no-program/which")).unwrap();
    let script = |directory: &str, mode| {
        let file = folder.join(directory).join("which");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, format!("#!/bin/sh\necho {directory} $0 > $1\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    };
    script("not-executable", 0o644);
    script("found", 0o755);
    let path = |directories: &[&str]| {
        let all = directories.iter().map(|directory| folder.join(directory).display().to_string());
        all.collect::<Vec<_>>().join(":")
    };
    let all = path(&["missing", "no-program", "not-executable", "found"]);
    let seen = output("which", &[], |builder| {
        builder.env("PATH", &all);
    });
    assert!(seen.starts_with("found "), "{seen}");

    let refused = path(&["not-executable", "missing"]);
    let error = ProcessBuilder::new("which").env("PATH", &refused).spawn(null().as_fd()).unwrap_err();
    fs::remove_dir_all(&folder).unwrap();
    let SpawnError::Program(error) = error else { panic!("{error:?}") };
    assert_eq!(error.raw_os_error(), Some(libc::EACCES));
}

#[test]
fn process_gets_arguments_and_environment() {
    let _alone = alone();
    let seen = output("/bin/sh", &["-c", "echo \"$0\" \"$A\" \"${PATH-none}\" > \"$1\"", "a b"], |builder| {
        builder.env("A", "one=two").env_remove("PATH");
    });
    assert!(seen.starts_with("a b one=two "), "{seen}");
    let name = output("cp", &["/proc/self/cmdline"], |builder| {
        builder.arg0("another name");
    });
    assert!(name.starts_with("another name\0/proc/self/cmdline\0"), "{name}");
}

#[test]
fn failed_execution_is_reported_and_leaks_nothing() {
    let _alone = alone();
    let before = Resources::now();
    let file = env::temp_dir().join(format!("runner-text-{}", process::id()));
    fs::write(&file, "no program\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let text = file.to_str().unwrap();
    let error = |change: &dyn Fn(&mut ProcessBuilder), program: &str| {
        let mut builder = ProcessBuilder::new(program);
        change(&mut builder);
        match builder.spawn(null().as_fd()).unwrap_err() {
            SpawnError::Program(error) => error,
            SpawnError::Call(error) => panic!("{error}"),
        }
    };
    let unchanged = |_: &mut ProcessBuilder| {};
    for (program, errno) in [
        ("/nonexistent", Errno::ENOENT),
        ("no-such-program", Errno::ENOENT),
        ("", Errno::ENOENT),
        ("/", Errno::EACCES),
        ("/dev/null/x", Errno::ENOTDIR),
        (text, Errno::ENOEXEC),
    ] {
        assert_eq!(error(&unchanged, program).raw_os_error(), Some(errno as i32), "{program}");
    }
    fs::remove_file(&file).unwrap();
    let long = "x".repeat(1 << 20);
    let too_long = |builder: &mut ProcessBuilder| {
        builder.args([&long]);
    };
    assert_eq!(error(&too_long, "true").raw_os_error(), Some(Errno::E2BIG as i32));
    let nul = |builder: &mut ProcessBuilder| {
        builder.env("A", "\0");
    };
    assert_eq!(error(&nul, "true").kind(), io::ErrorKind::InvalidInput);
    before.assert_no_leak();
}

#[test]
fn closed_descriptor_is_reported_with_the_call() {
    let _alone = alone();
    // SAFETY: the descriptor is not used, and its number is beyond all that are open.
    let closed = unsafe { BorrowedFd::borrow_raw(1_000_000) };
    let error = ProcessBuilder::new("true").spawn(closed).unwrap_err();
    let SpawnError::Call(error) = error else { panic!("{error:?}") };
    assert_eq!(error.to_string(), "fcntl(F_SETFD) failed: Bad file descriptor (os error 9)");
}

/// Resources of this process.
#[derive(Debug)]
struct Resources {
    descriptors: usize,
    mappings: usize,
    children: String,
}

impl Resources {
    fn now() -> Resources {
        let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
        Resources {
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            mappings: fs::read_to_string("/proc/self/maps").unwrap().lines().count(),
            children: tasks
                .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
                .collect(),
        }
    }

    /// Asserts that no resources were added, except for a few mappings: those of the C library's heap come
    /// and go.
    fn assert_no_leak(&self) {
        let now = Resources::now();
        assert_eq!((now.descriptors, &now.children), (self.descriptors, &self.children));
        assert!(now.mappings < self.mappings + 10, "{self:?}, {now:?}");
    }
}

#[test]
fn a_thousand_starts_leak_nothing() {
    let _alone = alone();
    let start = |n: usize| match n % 4 {
        0 => assert!(ProcessBuilder::new("/nonexistent").spawn(null().as_fd()).is_err()),
        _ => drop(ProcessBuilder::new("true").spawn(null().as_fd()).unwrap().reap()),
    };
    (0..10).for_each(start);
    let before = Resources::now();
    (0..1_000).for_each(start);
    before.assert_no_leak();
}

/// Waits until all writers of a pipe are gone.
fn wait_until_closed(mut reader: PipeReader) {
    let start = Instant::now();
    let limit = Duration::from_secs(20);
    loop {
        let left = PollTimeout::try_from(limit.saturating_sub(start.elapsed())).unwrap();
        match poll(&mut [PollFd::new(reader.as_fd(), PollFlags::POLLIN)], left) {
            Ok(0) => panic!("a child outlives its parent"),
            Ok(_) => break,
            Err(error) => assert_eq!(error, Errno::EINTR),
        }
    }
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

/// Starts processes in a loop, in a forked copy of this process.
fn start_in_a_loop(keep: BorrowedFd<'_>) -> ! {
    let mut builder = ProcessBuilder::new("sleep");
    builder.args(["1000"]);
    loop {
        let _ = builder.spawn(keep).map(std::mem::forget::<Process>);
    }
}

#[test]
fn children_die_with_a_parent_killed_at_any_time() {
    let _alone = alone();
    for round in 0..150 {
        let (reader, writer) = io::pipe().unwrap();
        // SAFETY: the other threads of this process wait, for this test or for their turn, and hold no locks
        // but that one.
        let parent = match unsafe { libc::fork() } {
            0 => start_in_a_loop(writer.as_fd()),
            parent => Pid::from_raw(parent),
        };
        drop(writer);
        // The delay is the variable of this test; there is no event to wait for.
        thread::sleep(Duration::from_micros(40 * round));
        kill(parent, Signal::SIGKILL).unwrap();
        waitpid(parent, None).unwrap();
        wait_until_closed(reader);
    }
}

#[test]
fn start_time_does_not_depend_on_memory_in_use() {
    const LARGE: usize = 1 << 30;
    let _alone = alone();
    let free = fs::read_to_string("/proc/meminfo").unwrap();
    let free = free.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap();
    let free: usize = free.trim().trim_end_matches(" kB").parse().unwrap();
    if free < (LARGE >> 10) * 2 {
        eprintln!("NOT RUN: less than 2 GiB of memory are available");
        return;
    }
    // The shortest of several runs: other processes can only make a run slower.
    let time = || {
        let times = (0..30).map(|_| {
            let start = Instant::now();
            let process = ProcessBuilder::new("true").spawn(null().as_fd()).unwrap();
            let taken = start.elapsed();
            process.reap();
            taken
        });
        times.min().unwrap()
    };
    let small = time();
    // Written to, so that there are page tables that a fork would copy.
    let memory = vec![1u8; LARGE];
    let large = time();
    assert_eq!(std::hint::black_box(&memory)[LARGE / 2], 1);
    println!("{small:?} with little memory, {large:?} with 1 GiB");
    assert!(large < small + Duration::from_millis(2), "{small:?} with little memory, {large:?} with 1 GiB");
}

#[test]
fn rejects_invalid_core_before_the_start() {
    let _alone = alone();
    let placement = Placement { core: Some(usize::MAX), nice: 0 };
    let error = ProcessBuilder::new("true").placement(placement).spawn(null().as_fd()).unwrap_err();
    let SpawnError::Program(error) = error else { panic!("{error:?}") };
    assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
}
