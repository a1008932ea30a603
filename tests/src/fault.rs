//! What no job should do.

use std::{env, fs, fs::File, hint, mem, os::fd::RawFd, panic, process, thread, time::Duration};

use nix::sys::{
    resource::{Resource, setrlimit},
    signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
};
use serde::{Deserialize, Serialize};

/// Something that harms the process of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// Writes to address 0.
    NullWrite,
    /// Calls itself until the stack is full.
    Recursion,
    /// Panics while it unwinds from a panic.
    PanicInPanic,
    /// Panics with a value that is no message.
    StrangePanic,
    /// Panics with a value that panics when it is dropped.
    PanicInPayload,
    /// Computes for ever.
    Spin,
    /// Waits for ever.
    Wait,
    /// Closes all descriptors but the standard streams.
    CloseAll,
    /// Closes all sockets, so also those that lead to the pool.
    CloseSockets,
    /// Leaves no descriptor for others.
    TakeAllDescriptors,
    /// Makes `/` the current folder.
    ChangeFolder,
    /// Blocks all signals.
    BlockSignals,
    /// Ignores SIGTERM.
    IgnoreTerm,
    /// Leaves a copy of its process behind, and aborts.
    ForkAndAbort,
    /// Forks, and both the worker and its copy go on with the loop.
    ForkAndReturn,
    /// Leaves a copy behind that is in a session of its own, as services do, and aborts.
    DetachAndAbort,
    /// Writes a few bytes into all sockets, so also into those that lead to the pool.
    Scribble,
}

impl Fault {
    /// Does it; what can be survived yields 0.
    pub(crate) fn commit(self) -> u64 {
        match self {
            Fault::NullWrite => write_to_null(),
            Fault::Recursion => return recurse(1),
            Fault::PanicInPanic => {
                let _bomb = Bomb;
                panic!("the first");
            }
            Fault::StrangePanic => panic::panic_any([7u8; 100]),
            Fault::PanicInPayload => panic::panic_any(Bomb),
            Fault::Spin => loop {
                hint::spin_loop();
            },
            Fault::Wait => loop {
                thread::sleep(Duration::from_secs(1000));
            },
            Fault::CloseAll => close(3, RawFd::MAX),
            Fault::CloseSockets => sockets().into_iter().for_each(|socket| close(socket, socket)),
            Fault::TakeAllDescriptors => take_all_descriptors(),
            Fault::ChangeFolder => env::set_current_dir("/").expect("there is a root"),
            Fault::BlockSignals => SigSet::all().thread_block().expect("signals can be blocked"),
            Fault::IgnoreTerm => ignore_term(),
            Fault::ForkAndReturn => fork_and_return(),
            Fault::ForkAndAbort => fork_and_abort(|| ()),
            Fault::DetachAndAbort => fork_and_abort(|| {
                nix::unistd::setsid().expect("a copy leads no group");
            }),
            Fault::Scribble => sockets().into_iter().for_each(scribble),
        }
        0
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[allow(unsafe_code)]
fn write_to_null() {
    let nowhere: *mut u64 = hint::black_box(std::ptr::null_mut());
    // SAFETY: none; this is the fault. The call is one that the compiler does not look into.
    unsafe { libc::memset(nowhere.cast(), 1, 8) };
}

fn recurse(depth: u64) -> u64 {
    let room = hint::black_box([depth; 64]);
    if depth == 0 { 0 } else { recurse(hint::black_box(depth + 1)) + room[7] }
}

#[allow(unsafe_code)]
fn close(first: RawFd, last: RawFd) {
    // SAFETY: closing what others own is the fault; no memory is touched.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}

/// The numbers of all sockets of this process.
fn sockets() -> Vec<RawFd> {
    let open = fs::read_dir("/proc/self/fd").expect("/proc is there").flatten();
    let leads_to_socket = |path: &std::path::PathBuf| {
        fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
    };
    let paths = open.map(|entry| entry.path()).filter(leads_to_socket);
    paths.filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect()
}

#[allow(unsafe_code)]
fn scribble(socket: RawFd) {
    // SAFETY: seven bytes are read from a constant of that length.
    unsafe { libc::send(socket, c"scrawl".as_ptr().cast(), 7, libc::MSG_NOSIGNAL) };
}

fn take_all_descriptors() {
    setrlimit(Resource::RLIMIT_NOFILE, 64, 64).expect("a limit can be lowered");
    while let Ok(file) = File::open("/dev/null") {
        mem::forget(file);
    }
}

#[allow(unsafe_code)]
fn ignore_term() {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: no code runs for a signal that is ignored.
    unsafe { sigaction(Signal::SIGTERM, &ignore) }.expect("SIGTERM can be ignored");
}

#[allow(unsafe_code)]
fn fork_and_return() {
    // SAFETY: both processes have one thread; what the copy does next is what is tested.
    assert!(unsafe { libc::fork() } >= 0, "a copy can be made");
}

#[allow(unsafe_code)]
fn fork_and_abort(in_copy: fn()) {
    // SAFETY: the copy only waits, and not for ever: nobody may be left to end it.
    if unsafe { libc::fork() } == 0 {
        in_copy();
        // SAFETY: a timer touches no memory.
        unsafe { libc::alarm(30) };
        Fault::Wait.commit();
    }
    process::abort();
}
