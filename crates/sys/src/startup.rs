//! What the program was given at its start, before the standard library changes it: that opens /dev/null in place of
//! standard streams that are closed, and ignores SIGPIPE.
//!
//! The variable by which a worker gets its role is removed here, too: before `main` there are no other
//! threads that could read the environment meanwhile, and nothing of the program that could pass it on.

use std::{
    env,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use nix::{sys::signal::Signal, unistd::getppid};

use crate::signal::is_ignored;

/// Whether the standard streams, by their descriptors, were closed.
static CLOSED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];

/// Whether SIGPIPE was ignored.
static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);

/// Whether SIGXFSZ was ignored.
static FILE_SIZE_IGNORED: AtomicBool = AtomicBool::new(false);

/// The variable of the environment by which a parent gives a process that it starts the role of a worker.
pub const ROLE_VARIABLE: &str = "RUNNER_WORKER_ROLE";

/// The role that this process was given at its start.
#[derive(Debug)]
pub struct GivenRole {
    /// The value of [`ROLE_VARIABLE`].
    pub value: String,
    /// The number of the parent, as it was then.
    pub parent: u32,
}

static ROLE: OnceLock<GivenRole> = OnceLock::new();

/// Run by the C library before `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    for (descriptor, closed) in (0..).zip(&CLOSED) {
        // SAFETY: asking for a descriptor's flags changes nothing, whether it is open or not.
        closed.store(unsafe { libc::fcntl(descriptor, libc::F_GETFD) } == -1, Ordering::Relaxed);
    }
    PIPE_IGNORED.store(is_ignored(Signal::SIGPIPE), Ordering::Relaxed);
    FILE_SIZE_IGNORED.store(is_ignored(Signal::SIGXFSZ), Ordering::Relaxed);
    take_role();
}

fn take_role() {
    let Some(value) = env::var_os(ROLE_VARIABLE) else { return };
    // SAFETY: before `main` there is one thread. A library that is loaded later gets here in a worker only if
    // the program had no part of this crate when the worker started.
    unsafe { env::remove_var(ROLE_VARIABLE) };
    if let Ok(value) = value.into_string() {
        let parent = getppid().as_raw().cast_unsigned();
        let _ = ROLE.set(GivenRole { value, parent });
    }
}

/// Returns what [`ROLE_VARIABLE`] said when this process was started; `None` if it was not there.
#[must_use]
pub fn given_role() -> Option<&'static GivenRole> {
    ROLE.get()
}

/// Whether standard input was closed.
#[must_use]
pub fn input_was_closed() -> bool {
    CLOSED[0].load(Ordering::Relaxed)
}

/// Whether standard output was closed.
#[must_use]
pub fn output_was_closed() -> bool {
    CLOSED[1].load(Ordering::Relaxed)
}

/// Whether whoever started the program had it ignore SIGPIPE, so that a reader that leaves is an error like others.
#[must_use]
pub fn pipe_was_ignored() -> bool {
    PIPE_IGNORED.load(Ordering::Relaxed)
}

/// Whether whoever started the program had it ignore SIGXFSZ.
pub(crate) fn file_size_was_ignored() -> bool {
    FILE_SIZE_IGNORED.load(Ordering::Relaxed)
}
