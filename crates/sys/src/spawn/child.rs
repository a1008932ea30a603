//! The child between `clone` and `execve`: what it becomes, and how it says which call failed.
//!
//! It shares its memory with the parent, so everything here only makes system calls; see `spawn`.

use std::{
    cell::Cell,
    convert::Infallible,
    ffi::{c_int, c_void},
    io,
    os::fd::RawFd,
    ptr,
};

use nix::{
    errno::Errno,
    sched::{CpuSet, sched_setaffinity},
    sys::signal::Signal,
    unistd::{Pid, getpid, getppid, setsid},
};

use super::{
    SpawnError,
    clone::{KernelSignals, set_mask},
    image::Image,
};
use crate::{
    call::CallError,
    placement::{self, Placement},
    startup,
};

/// Number of signals that there are.
const SIGNALS: c_int = KernelSignals::BITS as c_int;

/// What a process starts with: an interrupt is the parent's to decide on, also while the process starts.
const MASK: KernelSignals = 1 << (Signal::SIGINT as c_int - 1);

/// Everything that the child needs, made by the parent.
pub(super) struct Child<'a> {
    image: &'a Image,
    parent: Pid,
    /// What becomes standard input.
    stdin: RawFd,
    /// The only descriptor beside the standard streams that the program gets.
    keep: RawFd,
    core: Option<CpuSet>,
    nice: i32,
    /// Written by the child, while the parent waits, and read by the parent afterwards.
    failure: Cell<Option<Failure>>,
}

impl<'a> Child<'a> {
    /// A child of the calling process. Both descriptors are above the standard streams.
    pub(super) fn new(
        image: &'a Image,
        stdin: RawFd,
        keep: RawFd,
        core: Option<CpuSet>,
        nice: i32,
    ) -> Child<'a> {
        Child { image, parent: getpid(), stdin, keep, core, nice, failure: Cell::new(None) }
    }

    /// Why the program was not executed; `None` if it was, or if the child was killed before.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.get()
    }

    fn become_program(&self) -> Result<Infallible, Failure> {
        setsid().map_err(Step::Session.failed())?;
        die_with(self.parent).map_err(Step::DeathSignal.failed())?;
        reset_handlers().map_err(Step::Handlers.failed())?;
        if let Some(core) = &self.core {
            sched_setaffinity(Pid::from_raw(0), core).map_err(Step::Core.failed())?;
        }
        if self.nice != 0 {
            placement::add_niceness(self.nice).map_err(Step::Niceness.failed())?;
        }
        replace_stdin(self.stdin).map_err(Step::Input.failed())?;
        keep_only(self.keep).map_err(Step::Descriptors.failed())?;
        // There are no handlers any more.
        set_mask(MASK).map_err(Step::SignalMask.failed())?;
        self.image.execute().map_err(Step::Execution.failed())
    }
}

/// The child's first function and its last; what it returns is the exit code of a child that could not
/// execute its program.
pub(super) extern "C" fn run(child: *mut c_void) -> c_int {
    // SAFETY: the parent passes a `Child` that lives until the parent goes on, and until then does not touch
    // it.
    let child = unsafe { &*child.cast::<Child<'_>>() };
    let Err(failure) = child.become_program();
    child.failure.set(Some(failure));
    127
}

/// Has this process killed when the thread that made it ends. That thread waits for this process, so it has
/// not ended by itself.
fn die_with(parent: Pid) -> Result<(), Errno> {
    nix::sys::prctl::set_pdeathsig(Some(Signal::SIGKILL))?;
    // A parent that was killed before the call will send no signal any more.
    if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH) }
}

/// Has no signal handled by code of the parent. What is ignored stays ignored, but for SIGCHLD, whose loss
/// would keep the program from reaping; SIGPIPE, which the standard library ignores for itself; and SIGXFSZ,
/// if this program was started so.
fn reset_handlers() -> Result<(), Errno> {
    for signal in 1..=SIGNALS {
        let is_default = match handler(signal)? {
            libc::SIG_DFL => true,
            libc::SIG_IGN => match signal {
                libc::SIGCHLD | libc::SIGPIPE => false,
                libc::SIGXFSZ => startup::file_size_was_ignored(),
                _ => true,
            },
            _ => false,
        };
        if !is_default {
            reset(signal)?;
        }
    }
    Ok(())
}

/// The kernel's description of what a signal does: the handler comes first, and nothing else is of interest.
/// The C library's own function would refuse its own signals. Larger than that of any architecture.
type KernelAction = [usize; 8];

fn handler(signal: c_int) -> Result<libc::sighandler_t, Errno> {
    let mut action: KernelAction = [0; 8];
    // SAFETY: the action lives through the call, which writes no more than its size.
    let result = unsafe {
        let (new, size) = (ptr::null::<KernelAction>(), size_of::<KernelSignals>());
        libc::syscall(libc::SYS_rt_sigaction, signal, new, &raw mut action, size)
    };
    Errno::result(result).map(|_| action[0])
}

fn reset(signal: c_int) -> Result<(), Errno> {
    // All zeros: the default action, no flags, no further signals blocked.
    let action: KernelAction = [0; 8];
    // SAFETY: the action lives through the call, and the default action runs no code. Handlers are this
    // process's own.
    let result = unsafe {
        let (old, size) = (ptr::null_mut::<KernelAction>(), size_of::<KernelSignals>());
        libc::syscall(libc::SYS_rt_sigaction, signal, &raw const action, old, size)
    };
    Errno::result(result).map(drop)
}

fn replace_stdin(stdin: RawFd) -> Result<(), Errno> {
    // SAFETY: this process's descriptors are its own copies, and nothing that it does reads from the old one.
    Errno::result(unsafe { libc::dup2(stdin, libc::STDIN_FILENO) }).map(drop)
}

/// Marks all descriptors but the standard streams and `keep` to be closed by `execve`.
///
/// Libraries open descriptors without close-on-exec; a worker that inherited a sibling's channel would keep
/// it open after the sibling's death. A kernel before 5.11 has no such call; there, what others left open
/// leaks.
fn keep_only(keep: RawFd) -> Result<(), Errno> {
    // SAFETY: closing on exec changes no memory, and the flags are those of this process's own copies.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
        Errno::result(libc::fcntl(keep, libc::F_SETFD, 0)).map(drop)
    }
}

/// What a child does before its program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Session,
    DeathSignal,
    Handlers,
    Core,
    Niceness,
    Input,
    Descriptors,
    SignalMask,
    Execution,
}

impl Step {
    fn failed(self) -> impl Fn(Errno) -> Failure {
        move |errno| Failure { step: self, errno }
    }
}

/// A step that failed, and the system's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    step: Step,
    errno: Errno,
}

impl Failure {
    /// The error for a process that was to run in this place.
    pub(super) fn explain(self, placement: Placement) -> SpawnError {
        let call = match self.step {
            Step::Session => "setsid",
            Step::DeathSignal => "prctl(PR_SET_PDEATHSIG)",
            Step::Handlers => "sigaction",
            Step::Input => "dup2",
            Step::Descriptors => "fcntl(F_SETFD)",
            Step::SignalMask => "sigprocmask",
            Step::Core => {
                let core = placement.core.map_or_else(String::new, |core| format!(" {core}"));
                return self.misplaced(&format!("it cannot be kept on core{core}"));
            }
            Step::Niceness => {
                return self.misplaced(&format!("{} cannot be added to its niceness", placement.nice));
            }
            Step::Execution => return SpawnError::Program(self.errno.into()),
        };
        SpawnError::Call(CallError::new(call, self.errno))
    }

    fn misplaced(self, what: &str) -> SpawnError {
        let cause = io::Error::from(self.errno);
        SpawnError::Program(io::Error::new(cause.kind(), format!("{what}: {cause}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_explained_with_its_error() {
        let placement = Placement { core: Some(3), nice: 7 };
        let steps = [
            (Step::Session, "setsid failed: "),
            (Step::DeathSignal, "prctl(PR_SET_PDEATHSIG) failed: "),
            (Step::Handlers, "sigaction failed: "),
            (Step::Core, "it cannot be kept on core 3: "),
            (Step::Niceness, "7 cannot be added to its niceness: "),
            (Step::Input, "dup2 failed: "),
            (Step::Descriptors, "fcntl(F_SETFD) failed: "),
            (Step::SignalMask, "sigprocmask failed: "),
            (Step::Execution, ""),
        ];
        for (step, words) in steps {
            let explained = match step.failed()(Errno::EPERM).explain(placement) {
                SpawnError::Call(error) => error.to_string(),
                SpawnError::Program(error) => error.to_string(),
            };
            assert_eq!(explained, format!("{words}Operation not permitted (os error 1)"));
        }
    }
}
