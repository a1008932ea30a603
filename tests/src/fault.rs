//! Faults that a job can inject into its own process.

use std::{env, fs, fs::File, hint, mem, os::fd::RawFd, panic, process, thread, time::Duration};

use nix::sys::{
    resource::{Resource, setrlimit},
    signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
};
use serde::{Deserialize, Serialize};

/// A fault in the job's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// Writes to address 0.
    NullWrite,
    /// Recurses until the stack overflows.
    Recursion,
    /// Panics during the unwinding of a panic.
    PanicInPanic,
    /// Panics with a payload that is not a string.
    NonStringPanic,
    /// Panics with a payload that panics when it is dropped.
    PanicInPayload,
    /// Computes forever.
    Spin,
    /// Sleeps forever.
    Wait,
    /// Closes all descriptors except the standard streams.
    CloseAll,
    /// Closes all sockets, including those of the pool.
    CloseSockets,
    /// Uses up all file descriptors.
    TakeAllDescriptors,
    /// Changes the working directory to `/`.
    ChangeDirectory,
    /// Blocks all signals.
    BlockSignals,
    /// Ignores SIGTERM.
    IgnoreTerm,
    /// Forks a child that keeps running, and aborts.
    ForkAndAbort,
    /// Forks; the worker and its copy both return to the worker loop.
    ForkAndReturn,
    /// Forks a child in a new session, as daemons do, and aborts.
    DetachAndAbort,
    /// Writes a few bytes into all sockets, including those of the pool.
    WriteGarbage,
}

impl Fault {
    /// Injects the fault; returns 0 if the process survives it.
    pub(crate) fn inject(self) -> u64 {
        match self {
            Fault::NullWrite => write_to_null(),
            Fault::Recursion => return recurse(1),
            Fault::PanicInPanic => {
                let _panics_on_drop = PanicOnDrop;
                panic!("the first");
            }
            Fault::NonStringPanic => panic::panic_any([7u8; 100]),
            Fault::PanicInPayload => panic::panic_any(PanicOnDrop),
            Fault::Spin => loop {
                hint::spin_loop();
            },
            Fault::Wait => loop {
                thread::sleep(Duration::from_secs(1000));
            },
            Fault::CloseAll => close(3, RawFd::MAX),
            Fault::CloseSockets => sockets().into_iter().for_each(|socket| close(socket, socket)),
            Fault::TakeAllDescriptors => take_all_descriptors(),
            Fault::ChangeDirectory => env::set_current_dir("/").expect("cannot change to /"),
            Fault::BlockSignals => SigSet::all().thread_block().expect("cannot block signals"),
            Fault::IgnoreTerm => ignore_term(),
            Fault::ForkAndReturn => fork_and_return(),
            Fault::ForkAndAbort => fork_and_abort(|| ()),
            Fault::DetachAndAbort => fork_and_abort(|| {
                nix::unistd::setsid().expect("cannot start a session");
            }),
            Fault::WriteGarbage => sockets().into_iter().for_each(write_garbage),
        }
        0
    }
}

struct PanicOnDrop;

impl Drop for PanicOnDrop {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[allow(unsafe_code)]
fn write_to_null() {
    let nowhere: *mut u64 = hint::black_box(std::ptr::null_mut());
    // SAFETY: none; this write is the fault. The compiler does not look into this call.
    unsafe { libc::memset(nowhere.cast(), 1, 8) };
}

fn recurse(depth: u64) -> u64 {
    let room = hint::black_box([depth; 64]);
    if depth == 0 { 0 } else { recurse(hint::black_box(depth + 1)) + room[7] }
}

#[allow(unsafe_code)]
fn close(first: RawFd, last: RawFd) {
    // SAFETY: closing descriptors owned by others is the fault; no memory is touched.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}

/// Returns the descriptors of all sockets of this process.
fn sockets() -> Vec<RawFd> {
    let open = fs::read_dir("/proc/self/fd").expect("cannot read /proc").flatten();
    let leads_to_socket = |path: &std::path::PathBuf| {
        fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
    };
    let paths = open.map(|entry| entry.path()).filter(leads_to_socket);
    paths.filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect()
}

#[allow(unsafe_code)]
fn write_garbage(socket: RawFd) {
    // SAFETY: seven bytes are read from a constant of that length.
    unsafe { libc::send(socket, c"scrawl".as_ptr().cast(), 7, libc::MSG_NOSIGNAL) };
}

fn take_all_descriptors() {
    setrlimit(Resource::RLIMIT_NOFILE, 64, 64).expect("cannot lower the limit");
    while let Ok(file) = File::open("/dev/null") {
        mem::forget(file);
    }
}

#[allow(unsafe_code)]
fn ignore_term() {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler runs for a signal that is ignored.
    unsafe { sigaction(Signal::SIGTERM, &ignore) }.expect("cannot ignore SIGTERM");
}

#[allow(unsafe_code)]
fn fork_and_return() {
    // SAFETY: both processes have one thread; what the copy does next is what is tested.
    assert!(unsafe { libc::fork() } >= 0, "cannot fork");
}

#[allow(unsafe_code)]
fn fork_and_abort(in_copy: fn()) {
    // SAFETY: the copy only waits; the alarm ends it, since no other process may be left to do so.
    if unsafe { libc::fork() } == 0 {
        in_copy();
        // SAFETY: a timer touches no memory.
        unsafe { libc::alarm(30) };
        Fault::Wait.inject();
    }
    process::abort();
}
