//! The child between `clone` and `execve`: sets up the process, and reports which call failed.
//!
//! The child shares its memory with the parent, so everything here only makes system calls; see `spawn`.

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
    error::SpawnError,
    image::Image,
    signal_mask::{KernelSignals, set_mask},
};
use crate::{
    call::CallError,
    placement::{self, Placement},
    startup,
};

/// Number of signals.
const SIGNAL_COUNT: c_int = KernelSignals::BITS as c_int;

/// Signal mask that a process starts with: SIGINT is blocked from the start, because the parent decides how
/// to react to it.
const INITIAL_MASK: KernelSignals = 1 << (Signal::SIGINT as c_int - 1);

/// Everything that the child needs, prepared by the parent.
pub(super) struct Child<'a> {
    image: &'a Image,
    parent: Pid,
    streams: Streams,
    /// The only descriptor besides the standard streams that the program inherits.
    keep: RawFd,
    core: Option<CpuSet>,
    nice: i32,
    /// Written by the child while the parent is suspended, and read by the parent afterwards.
    failure: Cell<Option<Failure>>,
}

/// Descriptors that become the standard streams, each above these streams. Where `None`, the stream is
/// inherited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams {
    pub(super) stdin: RawFd,
    pub(super) stdout: Option<RawFd>,
    pub(super) stderr: Option<RawFd>,
}

impl<'a> Child<'a> {
    /// Creates a child of the calling process. `keep` must be above the standard streams.
    pub(super) fn new(
        image: &'a Image,
        streams: Streams,
        keep: RawFd,
        core: Option<CpuSet>,
        nice: i32,
    ) -> Child<'a> {
        Child { image, parent: getpid(), streams, keep, core, nice, failure: Cell::new(None) }
    }

    /// Returns why the program was not executed; `None` if it was, or if the child was killed before.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.get()
    }

    fn exec_program(&self) -> Result<Infallible, Failure> {
        setsid().map_err(Step::Session.failed())?;
        set_parent_death_signal(self.parent).map_err(Step::DeathSignal.failed())?;
        reset_handlers().map_err(Step::Handlers.failed())?;
        if let Some(core) = &self.core {
            sched_setaffinity(Pid::from_raw(0), core).map_err(Step::Core.failed())?;
        }
        if self.nice != 0 {
            placement::add_niceness(self.nice).map_err(Step::Niceness.failed())?;
        }
        self.streams.install().map_err(Step::Streams.failed())?;
        close_on_exec_except(self.keep).map_err(Step::Descriptors.failed())?;
        // No handlers are installed any more.
        set_mask(INITIAL_MASK).map_err(Step::SignalMask.failed())?;
        self.image.execute().map_err(Step::Execution.failed())
    }
}

/// Entry point of the child. Returns, as the exit code of the child, only if the program could not be
/// executed.
pub(super) extern "C" fn run(child: *mut c_void) -> c_int {
    // SAFETY: the parent passes a `Child` that lives until the parent resumes, and does not touch it before
    // that.
    let child = unsafe { &*child.cast::<Child<'_>>() };
    let Err(failure) = child.exec_program();
    child.failure.set(Some(failure));
    127
}

/// Sets SIGKILL as the signal that is sent when the parent's thread ends. That thread waits for this process,
/// so it cannot have ended by itself.
fn set_parent_death_signal(parent: Pid) -> Result<(), Errno> {
    nix::sys::prctl::set_pdeathsig(Some(Signal::SIGKILL))?;
    // A parent that was killed before the call does not send the signal any more.
    if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH) }
}

/// Removes all signal handlers of the parent. Ignored signals stay ignored, except for SIGCHLD, without which
/// the program could not reap its children; SIGPIPE, which the standard library ignores in this process; and
/// SIGXFSZ, unless this program was started with it ignored.
fn reset_handlers() -> Result<(), Errno> {
    for signal in 1..=SIGNAL_COUNT {
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

/// The kernel's `sigaction` structure, with room to spare on every architecture. Only its first field, the
/// handler, is used. The C library's function would reject the signals that the library reserves.
type KernelAction = [usize; 8];

fn handler(signal: c_int) -> Result<libc::sighandler_t, Errno> {
    let mut action: KernelAction = [0; 8];
    // SAFETY: the action outlives the call, which writes no more than its size.
    let result = unsafe {
        let (new, size) = (ptr::null::<KernelAction>(), size_of::<KernelSignals>());
        libc::syscall(libc::SYS_rt_sigaction, signal, new, &raw mut action, size)
    };
    Errno::result(result).map(|_| action[0])
}

fn reset(signal: c_int) -> Result<(), Errno> {
    // All zeros: the default action, no flags, no further signals blocked.
    let action: KernelAction = [0; 8];
    // SAFETY: the action outlives the call, and the default action runs no code. This process has its own
    // copy of the handlers.
    let result = unsafe {
        let (old, size) = (ptr::null_mut::<KernelAction>(), size_of::<KernelSignals>());
        libc::syscall(libc::SYS_rt_sigaction, signal, &raw const action, old, size)
    };
    Errno::result(result).map(drop)
}

impl Streams {
    fn install(self) -> Result<(), Errno> {
        replace(libc::STDIN_FILENO, self.stdin)?;
        self.stdout.map_or(Ok(()), |stdout| replace(libc::STDOUT_FILENO, stdout))?;
        self.stderr.map_or(Ok(()), |stderr| replace(libc::STDERR_FILENO, stderr))
    }
}

/// Replaces a standard stream.
fn replace(stream: RawFd, by: RawFd) -> Result<(), Errno> {
    // SAFETY: this process has its own copies of the descriptors, and nothing in it uses the old one.
    Errno::result(unsafe { libc::dup2(by, stream) }).map(drop)
}

/// Sets close-on-exec on all descriptors except the standard streams and `keep`.
///
/// Libraries open descriptors without close-on-exec; a worker that inherited a sibling's channel would keep
/// it open after the sibling's death. Kernels before 5.11 do not support the call; on these, descriptors
/// without close-on-exec leak.
fn close_on_exec_except(keep: RawFd) -> Result<(), Errno> {
    // SAFETY: close-on-exec changes no memory, and the flags are those of this process's own copies.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
        Errno::result(libc::fcntl(keep, libc::F_SETFD, 0)).map(drop)
    }
}

/// A step of the child before its program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Session,
    DeathSignal,
    Handlers,
    Core,
    Niceness,
    Streams,
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
    /// Returns the error for a process with this placement.
    pub(super) fn into_error(self, placement: Placement) -> SpawnError {
        let call = match self.step {
            Step::Session => "setsid",
            Step::DeathSignal => "prctl(PR_SET_PDEATHSIG)",
            Step::Handlers => "sigaction",
            Step::Streams => "dup2",
            Step::Descriptors => "fcntl(F_SETFD)",
            Step::SignalMask => "sigprocmask",
            Step::Core => {
                let core = placement.core.map_or_else(String::new, |core| format!(" {core}"));
                return self.placement_error(&format!("cannot pin it to core{core}"));
            }
            Step::Niceness => {
                return self.placement_error(&format!("cannot add {} to its niceness", placement.nice));
            }
            Step::Execution => return SpawnError::Program(self.errno.into()),
        };
        SpawnError::Call(CallError::new(call, self.errno))
    }

    fn placement_error(self, what: &str) -> SpawnError {
        let cause = io::Error::from(self.errno);
        SpawnError::Program(io::Error::new(cause.kind(), format!("{what}: {cause}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_names_the_failed_step() {
        let placement = Placement { core: Some(3), nice: 7 };
        let steps = [
            (Step::Session, "setsid failed: "),
            (Step::DeathSignal, "prctl(PR_SET_PDEATHSIG) failed: "),
            (Step::Handlers, "sigaction failed: "),
            (Step::Core, "cannot pin it to core 3: "),
            (Step::Niceness, "cannot add 7 to its niceness: "),
            (Step::Streams, "dup2 failed: "),
            (Step::Descriptors, "fcntl(F_SETFD) failed: "),
            (Step::SignalMask, "sigprocmask failed: "),
            (Step::Execution, ""),
        ];
        for (step, prefix) in steps {
            let message = match step.failed()(Errno::EPERM).into_error(placement) {
                SpawnError::Call(error) => error.to_string(),
                SpawnError::Program(error) => error.to_string(),
            };
            assert_eq!(message, format!("{prefix}Operation not permitted (os error 1)"));
        }
    }
}
