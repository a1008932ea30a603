//! State that the process was started with, recorded before the standard library changes it: the library
//! opens `/dev/null` in place of closed standard streams, and ignores SIGPIPE.
//!
//! The variable that gives a worker its role is removed here, too: before `main` there are no other threads
//! that could read the environment at the same time, and no code of the program that could pass the variable
//! on.

use std::{
    env,
    sync::{
        Once, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use nix::{sys::signal::Signal, unistd::getppid};

use crate::signal::is_ignored;

/// True for each standard stream, by its descriptor, that was closed.
static STREAM_CLOSED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];

/// True if SIGPIPE was ignored.
static SIGPIPE_IGNORED: AtomicBool = AtomicBool::new(false);

/// True if SIGXFSZ was ignored.
static SIGXFSZ_IGNORED: AtomicBool = AtomicBool::new(false);

/// Environment variable with which a parent gives a process the role of a worker.
pub const ROLE_VARIABLE: &str = "RUNNER_WORKER_ROLE";

/// Role that this process was given at its start.
#[derive(Debug)]
pub struct InitialRole {
    /// Value of [`ROLE_VARIABLE`].
    pub value: String,
    /// PID of the parent at the start.
    pub parent: u32,
}

static ROLE: OnceLock<InitialRole> = OnceLock::new();

static RECORDED: Once = Once::new();

/// Run by the C library before `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static RECORD_INITIAL_STATE: extern "C" fn() = record;

/// Records the state once. Other constructors of the program may run before the one above.
extern "C" fn record() {
    RECORDED.call_once(record_initial_state);
}

fn record_initial_state() {
    for (descriptor, closed) in (0..).zip(&STREAM_CLOSED) {
        // SAFETY: reading a descriptor's flags changes nothing, whether it is open or not.
        closed.store(unsafe { libc::fcntl(descriptor, libc::F_GETFD) } == -1, Ordering::Relaxed);
    }
    SIGPIPE_IGNORED.store(is_ignored(Signal::SIGPIPE), Ordering::Relaxed);
    SIGXFSZ_IGNORED.store(is_ignored(Signal::SIGXFSZ), Ordering::Relaxed);
    take_role();
}

fn take_role() {
    let Some(value) = env::var_os(ROLE_VARIABLE) else { return };
    // SAFETY: before `main` there is one thread. In a library that is loaded later, the variable is found
    // only if the program did not contain this crate when the worker started.
    unsafe { env::remove_var(ROLE_VARIABLE) };
    if let Ok(value) = value.into_string() {
        let parent = getppid().as_raw().cast_unsigned();
        let _ = ROLE.set(InitialRole { value, parent });
    }
}

/// Returns the role from [`ROLE_VARIABLE`] at the start of this process; `None` if the variable was not set.
#[must_use]
pub fn given_role() -> Option<&'static InitialRole> {
    record();
    ROLE.get()
}

/// Returns true if standard input was closed.
#[must_use]
pub fn input_was_closed() -> bool {
    STREAM_CLOSED[0].load(Ordering::Relaxed)
}

/// Returns true if standard output was closed.
#[must_use]
pub fn output_was_closed() -> bool {
    STREAM_CLOSED[1].load(Ordering::Relaxed)
}

/// Returns true if this process was started with SIGPIPE ignored, so that a closed reader is an ordinary
/// write error.
#[must_use]
pub fn pipe_was_ignored() -> bool {
    SIGPIPE_IGNORED.load(Ordering::Relaxed)
}

/// Returns true if this process was started with SIGXFSZ ignored.
pub(crate) fn file_size_was_ignored() -> bool {
    SIGXFSZ_IGNORED.load(Ordering::Relaxed)
}
