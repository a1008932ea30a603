//! Signal dispositions, waiting for a signal, and ending the process by a signal.

use std::{ptr, time::Duration};

use nix::sys::{
    signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction},
    time::TimeSpec,
};

/// Returns true if the signal is ignored, as `nohup` and shells without job control set it for their
/// children.
#[must_use]
pub fn is_ignored(signal: Signal) -> bool {
    // SAFETY: without a new action, the call only writes to a local buffer of the right size.
    unsafe {
        let mut old = std::mem::zeroed::<libc::sigaction>();
        libc::sigaction(signal as i32, ptr::null(), &raw mut old) == 0 && old.sa_sigaction == libc::SIG_IGN
    }
}

/// Returns the name of a signal, such as `SIGKILL`, or `SIG` and its number if it has no name.
#[must_use]
pub fn name(number: i32) -> String {
    Signal::try_from(number).map_or_else(|_| format!("SIG{number}"), |signal| signal.as_str().to_owned())
}

/// Waits for one of `signals`, which must be blocked, for at most `limit`; `None` waits without a limit.
/// Returns `None` if none has arrived, or if the wait was interrupted, for example by a stop and a continue.
#[must_use]
pub fn wait_for(signals: &SigSet, limit: Option<Duration>) -> Option<Signal> {
    let limit = limit.map(TimeSpec::from_duration);
    let limit = limit.as_ref().map_or(ptr::null(), |limit| ptr::from_ref(limit.as_ref()));
    // SAFETY: the set and the limit outlive the call, and a null pointer is allowed for the signal's details.
    let number = unsafe { libc::sigtimedwait(signals.as_ref(), ptr::null_mut(), limit) };
    Signal::try_from(number).ok()
}

/// Installs a handler that does nothing, unless the signal is ignored. A signal that ends a process by
/// default then does not end this one. Unlike an ignored signal, it has its default action in programs that
/// this process executes.
pub fn discard(signal: Signal) {
    extern "C" fn do_nothing(_: libc::c_int) {}
    if !is_ignored(signal) {
        let action = SigAction::new(SigHandler::Handler(do_nothing), SaFlags::SA_RESTART, SigSet::empty());
        // SAFETY: the handler runs no code.
        let _ = unsafe { sigaction(signal, &action) };
    }
}

/// Resets SIGCHLD to its default action. Some supervisors start processes with SIGCHLD ignored; then the exit
/// statuses of children are lost.
pub fn reset_sigchld() {
    // SAFETY: the default action runs no code.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Ends this process by the signal's default action, so that the parent sees the signal in its status.
///
/// If the signal does not end it, exits with the status that a shell would report for it, 128 plus the
/// signal's number.
pub fn raise_default(signal: Signal) -> ! {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default action runs no code of this process.
    let _ = unsafe { sigaction(signal, &default) };
    let _ = SigSet::from(signal).thread_unblock();
    let _ = raise(signal);
    std::process::exit(128 + signal as i32)
}
