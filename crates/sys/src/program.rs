//! A program that a job runs: started under a guard, with non-blocking pipes, and killed together with all
//! its descendants.
//!
//! ```
//! use std::{io::Read, process::{Command, Stdio}};
//! use sys::program::{End, Program};
//!
//! let mut command = Command::new("sh");
//! command.args(["-c", "echo here; exit 3"]).stdin(Stdio::null()).stdout(Stdio::piped());
//! let mut program = Program::spawn(command)?;
//! // A real caller polls `program.end_fd()` beside the pipes.
//! let End::Program(status) = program.wait() else { panic!("the guard was killed") };
//! assert_eq!(status.code(), Some(3));
//! let mut output = [0; 64];
//! assert_eq!(program.stdout.as_mut().map(|pipe| pipe.read(&mut output)).transpose()?, Some(5));
//! # Ok::<(), std::io::Error>(())
//! ```

use std::{
    io::{self, PipeReader, Read},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::Signal,
};
use parking_lot::Mutex;

use crate::{
    confinement::Confinement,
    guard::{self, Report},
    pipe,
};

/// A running program and its descendants.
///
/// The program is a member of this process's group, has no signal blocked, and inherits the descriptors that
/// are not close-on-exec. A guard process stands between the program and this process: when this process ends
/// for any reason, or when the program is [killed](Program::kill), the guard kills all descendants of the
/// program, including those in other process groups and sessions.
///
/// All resources are acquired before the program starts. Dropping a program that has not ended kills it. Any
/// thread may start it, and it may be moved between threads: the guard watches the process, not the thread.
#[derive(Debug)]
pub struct Program {
    /// Write end of its standard input, if that was [piped](std::process::Stdio::piped); non-blocking.
    pub stdin: Option<ChildStdin>,
    /// Read end of its standard output, if that was piped; non-blocking.
    pub stdout: Option<ChildStdout>,
    /// Read end of its standard error, if that was piped; non-blocking.
    pub stderr: Option<ChildStderr>,
    /// `None` only while this value is dropped.
    guard: Option<Child>,
    pid: u32,
    report: PipeReader,
    end: Option<End>,
    left_descendants: bool,
}

/// The end of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The program exited or was killed by a signal.
    Program(ExitStatus),
    /// The guard was killed, and the kernel killed the program with it. The status is the guard's; how far
    /// the program came is unknown.
    Guard(ExitStatus),
}

/// True if the death of a guard ends this process.
static DIES_WITH_GUARDS: AtomicBool = AtomicBool::new(false);

/// From now on, ends this process by the signal that killed a guard of one of its programs.
///
/// For workers: the parent then charges the death to the running job, kills the rest of the process group,
/// and retries the job where that is allowed.
pub fn die_with_guards() {
    DIES_WITH_GUARDS.store(true, Ordering::Relaxed);
}

/// Guards of programs that have ended and left descendants running. They are reaped after they have ended.
static LINGERING: Mutex<Vec<Child>> = Mutex::new(Vec::new());

impl Program {
    /// Starts `command` under a guard.
    ///
    /// # Errors
    /// The system's reason why the program cannot be started; the program has not run. See
    /// [`is_resource_shortage`] for transient reasons.
    pub fn spawn(command: Command) -> io::Result<Program> {
        Program::spawn_confined(command, None)
    }

    /// Starts `command` under a guard, which is not confined, and confines the program before it is
    /// executed.
    ///
    /// # Errors
    /// As [`spawn`](Program::spawn); or a required part of the confinement cannot be applied.
    pub fn spawn_confined(
        mut command: Command,
        confinement: Option<Arc<Confinement>>,
    ) -> io::Result<Program> {
        LINGERING.lock().retain_mut(|guard| matches!(guard.try_wait(), Ok(None)));
        let (mut report, guards_end) = io::pipe()?;
        guard::guard(&mut command, guards_end.as_raw_fd());
        // Only the program returns from the guard's call.
        if let Some(confinement) = confinement {
            confinement.apply_before_exec(&mut command);
        }
        let mut guard = command.spawn()?;
        drop((command, guards_end));
        let mut pid = [0; size_of::<u32>()];
        // If the PID is missing, the guard has been killed, and the program with it. This is reported as the
        // program's end.
        let pid = report.read_exact(&mut pid).map_or(guard.id(), |()| u32::from_ne_bytes(pid));
        let pipes = (guard.stdin.take(), guard.stdout.take(), guard.stderr.take());
        let (stdin, stdout, stderr) = pipes;
        let program = Program {
            stdin,
            stdout,
            stderr,
            guard: Some(guard),
            pid,
            report,
            end: None,
            left_descendants: false,
        };
        let ends = [
            Some(program.report.as_fd()),
            program.stdin.as_ref().map(AsFd::as_fd),
            program.stdout.as_ref().map(AsFd::as_fd),
            program.stderr.as_ref().map(AsFd::as_fd),
        ];
        // Cannot fail on an open descriptor. If it does, dropping `program` kills it.
        ends.into_iter().flatten().try_for_each(pipe::set_nonblocking)?;
        Ok(program)
    }

    /// Returns the program's process ID.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.pid
    }

    /// Sends a signal to the program, unless it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.try_end().is_none() {
            // The program may end and be reaped by its guard between the check and the call; PIDs are not
            // reused that soon.
            // SAFETY: the call takes plain numbers.
            unsafe { libc::kill(self.pid.cast_signed(), signal as i32) };
        }
    }

    /// Returns a descriptor that is readable once the program has ended: then [`try_end`](Program::try_end)
    /// returns its end.
    ///
    /// By then, everything that the program has written is in the pipes.
    #[must_use]
    pub fn end_fd(&self) -> BorrowedFd<'_> {
        self.report.as_fd()
    }

    /// Returns how the program ended, or `None` while it runs. Does not block.
    ///
    /// Does not return if the guard was killed and this process [dies with guards](die_with_guards).
    pub fn try_end(&mut self) -> Option<End> {
        if self.end.is_none() {
            let mut bytes = [0; Report::SIZE];
            self.end = match self.report.read(&mut bytes) {
                Ok(Report::SIZE) => Some(self.reported(Report::decode(bytes))),
                Err(error) if is_temporary(&error) => None,
                _ => Some(End::Guard(self.reap_lost_guard())),
            };
        }
        self.end
    }

    /// Waits for the end of the program.
    pub fn wait(&mut self) -> End {
        loop {
            if let Some(end) = self.try_end() {
                return end;
            }
            // Errors are transient, for example an interruption: try again.
            let _ = poll(&mut [PollFd::new(self.end_fd(), PollFlags::POLLIN)], PollTimeout::NONE);
        }
    }

    /// Returns true if descendants of the program were still running when it ended.
    #[must_use]
    pub fn left_descendants(&self) -> bool {
        self.left_descendants
    }

    /// Kills the program, or its remaining descendants if it has ended, and waits until all of them are gone;
    /// returns how the program ended.
    pub fn kill(&mut self) -> End {
        let needs_kill = self.end.is_none() || self.left_descendants;
        if let Some(guard) = self.guard.as_ref().filter(|_| needs_kill) {
            // The guard is not reaped yet, so its PID is not reused. SIGCONT is sent in case it was stopped.
            let number = guard.id().cast_signed();
            // SAFETY: both calls take plain numbers.
            unsafe {
                libc::kill(number, guard::kill_request());
                libc::kill(number, libc::SIGCONT);
            }
        }
        let end = self.wait();
        if let Some(guard) = &mut self.guard {
            let _ = guard.wait();
        }
        self.left_descendants = false;
        end
    }

    fn reported(&mut self, report: Report) -> End {
        self.left_descendants = report.left_descendants;
        if let Some(guard) = self.guard.as_mut().filter(|_| !report.left_descendants) {
            // It is about to exit.
            let _ = guard.wait();
        }
        End::Program(ExitStatus::from_raw(report.status))
    }

    fn reap_lost_guard(&mut self) -> ExitStatus {
        let status = self.guard.as_mut().and_then(|guard| guard.wait().ok()).unwrap_or_default();
        if DIES_WITH_GUARDS.load(Ordering::Relaxed) {
            let signal = status.signal().and_then(|number| Signal::try_from(number).ok());
            crate::signal::raise_default(signal.unwrap_or(Signal::SIGKILL));
        }
        status
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.try_end().is_none() {
            self.kill();
        }
        if let Some(guard) = self.guard.take().filter(|_| self.left_descendants) {
            LINGERING.lock().push(guard);
        }
    }
}

/// Makes the program that `command` will start inherit `descriptor` under `number`, which must be above the
/// standard streams.
///
/// # Errors
/// The number is too large, or the process is out of descriptors.
pub fn inherit_as(command: &mut Command, descriptor: OwnedFd, number: RawFd) -> io::Result<()> {
    // The number is reserved in this process, too, so that the standard library does not use it for a
    // descriptor that the child needs.
    let lowest = fcntl(&descriptor, FcntlArg::F_DUPFD_CLOEXEC(number))?;
    // SAFETY: the kernel has just created this descriptor for this process, so it has no other owner.
    let placeholder = unsafe { OwnedFd::from_raw_fd(lowest) };
    // SAFETY: the closure makes one system call; both descriptors are owned by it, and open until the command
    // is dropped.
    unsafe {
        command.pre_exec(move || {
            let _ = &placeholder;
            match libc::dup2(descriptor.as_raw_fd(), number) {
                made if made < 0 => Err(io::Error::last_os_error()),
                _ => Ok(()),
            }
        });
    }
    Ok(())
}

/// Returns true if the error is a lack of processes, memory or descriptors, which may be transient.
#[must_use]
pub fn is_resource_shortage(error: &io::Error) -> bool {
    let lacks = [Errno::EAGAIN, Errno::ENOMEM, Errno::EMFILE, Errno::ENFILE];
    error.raw_os_error().is_some_and(|number| lacks.contains(&Errno::from_raw(number)))
}

/// Returns true if a non-blocking read or write would block or was interrupted.
fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests;
