//! What the program was given at its start, before the standard library changes it: that opens /dev/null in place of
//! standard streams that are closed, and ignores SIGPIPE.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;

use crate::signal::is_ignored;

/// Whether the standard streams, by their descriptors, were closed.
static CLOSED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];

/// Whether SIGPIPE was ignored.
static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);

/// Whether SIGXFSZ was ignored.
static FILE_SIZE_IGNORED: AtomicBool = AtomicBool::new(false);

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
