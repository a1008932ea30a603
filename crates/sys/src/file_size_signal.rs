//! Disposition of SIGXFSZ, the signal of a write beyond the file size limit.

use std::{os::unix::process::CommandExt, process::Command};

use crate::startup;

/// Ignores SIGXFSZ, so that a write beyond the file size limit fails with an error instead of killing this
/// process.
///
/// Ignored signals stay ignored in programs that a process executes. [`restore`] gives them the disposition
/// that this process was started with.
pub fn ignore() {
    // SAFETY: ignoring a signal runs no code.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Gives the program that `command` will start the SIGXFSZ disposition that this process was started with.
pub fn restore(command: &mut Command) {
    if !startup::file_size_was_ignored() {
        // SAFETY: setting a disposition is one system call, which is safe between fork and exec; the default
        // action runs no code.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGXFSZ, libc::SIG_DFL);
                Ok(())
            });
        }
    }
}
