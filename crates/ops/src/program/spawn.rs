//! The process of a program: starting, signalling and reaping it.

use std::{
    io::{self, PipeReader},
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::process::ExitStatusExt,
    },
    process::{ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use job::{Death, DeathCause};
use nix::sys::signal::Signal;
use sys::{
    file_size_signal,
    program::{End, Program, inherit_as},
    ready::{Interest, wait_ready},
};

use super::ProgramDefinition;
use crate::{command::SECRET_VARIABLES, program_sandbox::ProgramSandbox};

/// The process of a program, without its streams.
#[derive(Debug)]
pub(super) struct Process(Program);

/// The worker's ends of a program's streams. `requests_to` is non-blocking.
pub(super) struct Streams {
    pub(super) requests_to: ChildStdin,
    pub(super) replies_from: PipeReader,
    pub(super) stderr: PipeReader,
}

impl Process {
    /// Starts a program.
    ///
    /// # Errors
    /// If the program cannot be started; it has not run then.
    pub(super) fn spawn(
        definition: &ProgramDefinition,
        sandbox: &ProgramSandbox,
    ) -> io::Result<(Process, Streams)> {
        let mut argv = definition.argv.iter();
        let mut command = Command::new(argv.next().ok_or(io::ErrorKind::InvalidInput)?);
        command.args(argv).env("PYTHONUNBUFFERED", "1").stdin(Stdio::piped());
        for secret in SECRET_VARIABLES {
            command.env_remove(secret);
        }
        let (replies_from, replies_to) = io::pipe()?;
        let (stderr, stderr_to) = io::pipe()?;
        if definition.reply_fd == 1 {
            command.stdout(replies_to);
        } else {
            command.stdout(stderr_to.try_clone()?);
            inherit_as(&mut command, OwnedFd::from(replies_to), definition.reply_fd)?;
        }
        command.stderr(stderr_to);
        file_size_signal::restore(&mut command);
        let mut program = Program::spawn_confined(command, sandbox.confinement()?)?;
        let requests_to = program.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok((Process(program), Streams { requests_to, replies_from, stderr }))
    }

    /// Returns a descriptor that is readable once the program has exited.
    pub(super) fn exit_fd(&self) -> BorrowedFd<'_> {
        self.0.end_fd()
    }

    /// Waits until the program has exited or the timeout is over. Returns whether it has exited.
    pub(super) fn wait(&mut self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        loop {
            if self.0.try_end().is_some() {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let _ = wait_ready([Interest::Read(self.0.end_fd())], Some(left));
        }
    }

    /// Sends SIGTERM to the program.
    pub(super) fn terminate(&mut self) {
        self.0.signal(Signal::SIGTERM);
    }

    /// Kills the program and all processes that it has started.
    pub(super) fn kill(&mut self) {
        self.0.kill();
    }

    /// Returns whether the program has exited, and not by a signal.
    pub(super) fn exited(&mut self) -> bool {
        matches!(self.0.try_end(), Some(End::Program(status)) if status.code().is_some())
    }

    /// Waits until the program has exited and returns its exit status.
    pub(super) fn reap(&mut self) -> Death {
        let (End::Program(status) | End::Guard(status)) = self.0.wait();
        let cause = match (status.code(), status.signal()) {
            (Some(code), _) => DeathCause::Exited(code),
            (None, signal) => DeathCause::Signalled(signal.unwrap_or(0)),
        };
        Death { pid: self.0.id(), cause }
    }
}
