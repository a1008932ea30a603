//! Signals: what the parent left us with, waiting for one, dying of one.

use std::{os::unix::process::CommandExt, process::Command, ptr, time::Duration};

use nix::sys::{
    signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction},
    time::TimeSpec,
};

use crate::startup;

/// Whether the signal is ignored, as `nohup` and shells without job control arrange for what they start.
#[must_use]
pub fn is_ignored(signal: Signal) -> bool {
    // SAFETY: with no new action the call only writes to a buffer of the right size, which is ours.
    unsafe {
        let mut old = std::mem::zeroed::<libc::sigaction>();
        libc::sigaction(signal as i32, ptr::null(), &raw mut old) == 0 && old.sa_sigaction == libc::SIG_IGN
    }
}

/// The name of a signal, such as `SIGKILL`; one without a name is called by its number.
#[must_use]
pub fn name(number: i32) -> String {
    Signal::try_from(number).map_or_else(|_| format!("SIG{number}"), |signal| signal.as_str().to_owned())
}

/// Waits for one of these signals, which are blocked, but no longer than `limit`. `None` if none has come, or if waiting was
/// interrupted, as by being stopped and continued.
#[must_use]
pub fn wait(signals: &SigSet, limit: Option<Duration>) -> Option<Signal> {
    let limit = limit.map(TimeSpec::from_duration);
    let limit = limit.as_ref().map_or(ptr::null(), |limit| ptr::from_ref(limit.as_ref()));
    // SAFETY: the set and the limit live through the call, and nothing is to be said about the signal but its number.
    let number = unsafe { libc::sigtimedwait(signals.as_ref(), ptr::null_mut(), limit) };
    Signal::try_from(number).ok()
}

/// Lets this process hear how its children end. Some supervisors leave SIGCHLD ignored, and then nobody can be asked.
pub fn reset_sigchld() {
    // SAFETY: the default action runs no code.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Has a write beyond the limit on the size of files fail with its own error, instead of ending this process without a word.
///
/// What is ignored is inherited by the programs that a process executes: those get back what this one was started with, by
/// [`restore_file_size_signal`].
pub fn ignore_file_size_signal() {
    // SAFETY: ignoring a signal runs no code.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Has the program that `command` will start treat SIGXFSZ as this process was told to when it was started.
pub fn restore_file_size_signal(command: &mut Command) {
    if !startup::file_size_was_ignored() {
        // SAFETY: setting a disposition is one system call, which is safe between fork and exec; the default action runs no code.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGXFSZ, libc::SIG_DFL);
                Ok(())
            });
        }
    }
}

/// Ends this process by the signal's default action, so that the parent sees what ended it.
///
/// If the signal does not end it, it exits with the status that a shell shows for it, 128 + number.
pub fn raise_default(signal: Signal) -> ! {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default action runs no code of ours.
    let _ = unsafe { sigaction(signal, &default) };
    let _ = SigSet::from(signal).thread_unblock();
    let _ = raise(signal);
    std::process::exit(128 + signal as i32)
}
