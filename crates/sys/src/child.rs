//! A child between fork and exec: how it becomes a worker, and how it says which call failed.

use std::{
    io,
    os::{fd::RawFd, unix::process::CommandExt},
    process::Command,
};

use nix::{
    errno::Errno,
    sys::signal::{SigSet, Signal},
    unistd::{Pid, setsid},
};

use crate::{
    call::CallError,
    placement::{self, Placement},
    process::SpawnError,
    signal::restore_file_size_signal,
};

/// Has the process that `command` will start lead a session in its place, die with its parent, and inherit `keep`.
pub(crate) fn prepare(command: &mut Command, keep: RawFd, place: Placement) -> io::Result<()> {
    lead_session(command);
    die_with_parent(command);
    restore_file_size_signal(command);
    placement::place(command, place)?;
    // SAFETY: the closure only calls functions that are safe between fork and exec: it neither allocates nor
    // locks.
    unsafe {
        command.pre_exec(move || {
            // From its first moment: an interrupt is the parent's to decide on, also while the child starts.
            SigSet::from(Signal::SIGINT).thread_block().map_err(|e| Step::SignalMask.failed(e))?;
            crate::signal::heed_children();
            keep_only(keep).map_err(|e| Step::Descriptors.failed(e))
        });
    }
    Ok(())
}

/// Says what an error of the standard library's `spawn` is about.
pub(crate) fn explain(error: io::Error, place: Placement) -> SpawnError {
    match Step::explain(error) {
        Ok(call) => SpawnError::Call(call),
        Err(error) => SpawnError::Program(placement::explain(error, place)),
    }
}

/// Has the process that `command` will start lead a session of its own.
fn lead_session(command: &mut Command) {
    // SAFETY: the closure makes one system call, which touches no memory.
    unsafe {
        command.pre_exec(|| setsid().map(drop).map_err(|error| Step::Session.failed(error)));
    }
}

/// Has the process that `command` will start killed when the thread that starts it ends, and lets all signals
/// through to it: the standard library passes on which ones this thread has blocked.
fn die_with_parent(command: &mut Command) {
    let parent = std::process::id();
    // SAFETY: the closure only makes system calls that are safe between fork and exec.
    unsafe {
        command.pre_exec(move || {
            SigSet::empty().thread_set_mask().map_err(|e| Step::SignalMask.failed(e))?;
            nix::sys::prctl::set_pdeathsig(Some(Signal::SIGKILL)).map_err(|e| Step::DeathSignal.failed(e))?;
            // A parent that died before the call will send no signal any more.
            if nix::unistd::getppid() == Pid::from_raw(parent.cast_signed()) {
                Ok(())
            } else {
                Err(Errno::ESRCH.into())
            }
        });
    }
}

/// Marks all descriptors but the standard streams and `keep` to be closed by exec.
///
/// Libraries open descriptors without close-on-exec; a worker that inherited a sibling's channel would keep it
/// open after the sibling's death. A kernel before 5.11 has no such call; there, what others left open leaks.
fn keep_only(keep: RawFd) -> nix::Result<()> {
    // SAFETY: closing on exec changes no memory of this process.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
        if libc::fcntl(keep, libc::F_SETFD, 0) < 0 {
            return Err(Errno::last());
        }
    }
    Ok(())
}

/// A system call of a child between fork and exec. The standard library passes on only the number of the child's error, so
/// the call is encoded in it, above all numbers of the system's errors and the marks of [`placement`](crate::placement).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Session = 16,
    SignalMask,
    DeathSignal,
    Descriptors,
}

impl Step {
    const ALL: [(Step, &str); 4] = [
        (Step::Session, "setsid"),
        (Step::SignalMask, "sigprocmask"),
        (Step::DeathSignal, "prctl(PR_SET_PDEATHSIG)"),
        (Step::Descriptors, "fcntl(F_SETFD)"),
    ];

    /// The error to return from the child, for a call that failed with `error`.
    pub(crate) fn failed(self, error: Errno) -> io::Error {
        io::Error::from_raw_os_error(((self as i32) << 16) | error as i32)
    }

    /// The call that failed in the child; the error itself if it is of none of the steps.
    pub(crate) fn explain(error: io::Error) -> Result<CallError, io::Error> {
        let number = error.raw_os_error().unwrap_or(0);
        let step = Step::ALL.iter().find(|(step, _)| *step as i32 == number >> 16);
        let (_, call) = step.ok_or(error)?;
        Ok(CallError::new(call, io::Error::from_raw_os_error(number & 0xffff)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_of_a_child_is_told_with_its_error() {
        for (step, call) in Step::ALL {
            let told = Step::explain(step.failed(Errno::EPERM)).unwrap().to_string();
            assert_eq!(told, format!("{call} failed: Operation not permitted (os error 1)"));
        }
        let other = Step::explain(Errno::ENOENT.into()).unwrap_err();
        assert_eq!(other.raw_os_error(), Some(Errno::ENOENT as i32));
    }
}
