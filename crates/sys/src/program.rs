//! A program that a job runs: started under a guard, with pipes that never block, and killed with all that it has started.
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
    sync::atomic::{AtomicBool, Ordering},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::Signal,
};
use parking_lot::Mutex;

use crate::{
    guard::{self, Report},
    pipe,
};

/// A running program and what it has started.
///
/// It is a member of this process's group, has no signal blocked, and inherits the descriptors that are not close-on-exec. A
/// guard stands between it and this process: when this process ends, in whatever way, or when the
/// program is [killed](Program::kill), everything that it has started goes with it, also from other process groups and
/// sessions.
///
/// Everything that can fail is obtained before the program starts. Dropping a program that has not ended kills it.
/// Any thread may start it, and it may be moved between threads: the guard watches the process, not the thread.
#[derive(Debug)]
pub struct Program {
    /// The end of its standard input that is written to, if it was [piped](std::process::Stdio::piped): non-blocking.
    pub stdin: Option<ChildStdin>,
    /// The end of its standard output that is read, if it was piped: non-blocking.
    pub stdout: Option<ChildStdout>,
    /// The end of its standard error that is read, if it was piped: non-blocking.
    pub stderr: Option<ChildStderr>,
    /// `None` only while this value is dropped.
    guard: Option<Child>,
    pid: u32,
    report: PipeReader,
    end: Option<End>,
    left_some: bool,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It ended by itself or by a signal.
    Program(ExitStatus),
    /// Its guard was killed, which kills the program too; the status is the guard's. How far the program came is not known.
    Guard(ExitStatus),
}

/// Whether the death of a guard ends this process.
static DIES_WITH_GUARDS: AtomicBool = AtomicBool::new(false);

/// Has this process die from now on of what killed a guard of one of its programs.
///
/// For workers: their parent then charges the death to the job that is running, kills what the program has left in the
/// process group, and tries the job again where that is allowed.
pub fn die_with_guards() {
    DIES_WITH_GUARDS.store(true, Ordering::Relaxed);
}

/// Guards of programs that have ended and left something running. They are reaped when they have ended too.
static LINGERING: Mutex<Vec<Child>> = Mutex::new(Vec::new());

impl Program {
    /// Starts `command` under a guard.
    ///
    /// # Errors
    /// When it cannot be started, with the system's reason; the program has not run then. See [`is_lack`] for reasons that may
    /// pass.
    pub fn spawn(mut command: Command) -> io::Result<Program> {
        LINGERING.lock().retain_mut(|guard| matches!(guard.try_wait(), Ok(None)));
        let (mut report, guards_end) = io::pipe()?;
        guard::guard(&mut command, guards_end.as_raw_fd());
        let mut guard = command.spawn()?;
        drop((command, guards_end));
        let mut pid = [0; size_of::<u32>()];
        // Without it the guard has been killed, and the program with it: that is its end, which is reported as any other.
        let pid = report.read_exact(&mut pid).map_or(guard.id(), |()| u32::from_ne_bytes(pid));
        let pipes = (guard.stdin.take(), guard.stdout.take(), guard.stderr.take());
        let (stdin, stdout, stderr) = pipes;
        let program =
            Program { stdin, stdout, stderr, guard: Some(guard), pid, report, end: None, left_some: false };
        let ends = [
            Some(program.report.as_fd()),
            program.stdin.as_ref().map(AsFd::as_fd),
            program.stdout.as_ref().map(AsFd::as_fd),
            program.stderr.as_ref().map(AsFd::as_fd),
        ];
        // Not even this can fail where the descriptor is open. If it does, dropping the program kills it.
        ends.into_iter().flatten().try_for_each(pipe::set_nonblocking)?;
        Ok(program)
    }

    /// The program's process number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.pid
    }

    /// Sends a signal to the program, unless it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.try_end().is_none() {
            // It may end, and be reaped by its guard, at this instant; numbers are not used again so soon.
            // SAFETY: the call takes plain numbers.
            unsafe { libc::kill(self.pid.cast_signed(), signal as i32) };
        }
    }

    /// A descriptor that is readable once the program has ended: then [`try_end`](Program::try_end) returns its end.
    ///
    /// What it wrote before is in the pipes by then.
    #[must_use]
    pub fn end_fd(&self) -> BorrowedFd<'_> {
        self.report.as_fd()
    }

    /// Returns how the program ended, or `None` while it runs. Does not block.
    ///
    /// In a process that [dies with guards](die_with_guards) it does not return if the guard was killed.
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
            // A failure is an interruption or passes: try again.
            let _ = poll(&mut [PollFd::new(self.end_fd(), PollFlags::POLLIN)], PollTimeout::NONE);
        }
    }

    /// Whether something that the program had started was still running when the program ended.
    #[must_use]
    pub fn left_some(&self) -> bool {
        self.left_some
    }

    /// Kills the program, or what it has left if it has ended, and waits until all of it is gone; returns how the program
    /// ended.
    pub fn kill(&mut self) -> End {
        let something_runs = self.end.is_none() || self.left_some;
        if let Some(guard) = self.guard.as_ref().filter(|_| something_runs) {
            // The guard is not reaped yet, so its number is not another process's. It may have been stopped.
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
        self.left_some = false;
        end
    }

    fn reported(&mut self, report: Report) -> End {
        self.left_some = report.left_some;
        if let Some(guard) = self.guard.as_mut().filter(|_| !report.left_some) {
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
        if let Some(guard) = self.guard.take().filter(|_| self.left_some) {
            LINGERING.lock().push(guard);
        }
    }
}

/// Has the program that `command` will start inherit a descriptor under this number, which is above the standard streams.
///
/// # Errors
/// When the number is too large or there are no descriptors left.
pub fn inherit_as(command: &mut Command, descriptor: OwnedFd, number: RawFd) -> io::Result<()> {
    // Occupied in this process, too: the standard library must not use the number for something that the child needs.
    let lowest = fcntl(&descriptor, FcntlArg::F_DUPFD_CLOEXEC(number))?;
    // SAFETY: the system has just made this descriptor for us.
    let placeholder = unsafe { OwnedFd::from_raw_fd(lowest) };
    // SAFETY: the closure makes one system call; both descriptors are owned by it, and open until the command is dropped.
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

/// Whether the error says that processes, memory or descriptors were lacking, which may pass.
#[must_use]
pub fn is_lack(error: &io::Error) -> bool {
    let lacks = [Errno::EAGAIN, Errno::ENOMEM, Errno::EMFILE, Errno::ENFILE];
    error.raw_os_error().is_some_and(|number| lacks.contains(&Errno::from_raw(number)))
}

/// Whether reading or writing without blocking failed in a way that means "later".
fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::process::CommandExt,
        path::Path,
        process::Stdio,
        time::{Duration, Instant},
    };

    use nix::{sys::signal::kill, unistd::Pid};

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }

    fn line(program: &mut Program) -> String {
        let (mut line, mut byte) = (String::new(), [0]);
        let stdout = program.stdout.as_mut().unwrap();
        loop {
            match stdout.read(&mut byte) {
                Ok(1) if byte[0] == b'\n' => return line,
                Ok(1) => line.push(char::from(byte[0])),
                Err(error) if is_temporary(&error) => {
                    poll(&mut [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
                }
                other => panic!("{other:?} after {line:?}"),
            }
        }
    }

    fn until_gone(pid: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let stat = Path::new("/proc").join(pid).join("stat");
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(Instant::now() < deadline, "process {pid} is left");
            std::thread::yield_now();
        }
    }

    fn status(end: End) -> (Option<i32>, Option<i32>) {
        let End::Program(status) = end else { panic!("{end:?}") };
        (status.code(), status.signal())
    }

    #[test]
    fn code_and_signal_are_the_programs() {
        assert_eq!(status(Program::spawn(shell("exit 7")).unwrap().wait()), (Some(7), None));
        assert_eq!(status(Program::spawn(shell("kill -SEGV $$")).unwrap().wait()), (None, Some(11)));
    }

    #[test]
    fn a_program_that_cannot_be_started_leaves_nothing_to_reap() {
        let error = Program::spawn(Command::new("/nonexistent")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(!is_lack(&error));
        assert!(is_lack(&Errno::EAGAIN.into()) && is_lack(&Errno::EMFILE.into()));
    }

    #[test]
    fn its_end_does_not_wait_for_what_it_has_left() {
        let mut program = Program::spawn(shell("sleep 1000 & echo $!")).unwrap();
        let left = line(&mut program);
        assert_eq!(status(program.wait()), (Some(0), None));
        assert!(program.left_some());
        assert_eq!(status(program.kill()), (Some(0), None));
        until_gone(&left);
    }

    #[test]
    fn killing_reaches_other_groups_and_sessions() {
        for wrapper in ["", "timeout 1000 ", "setsid ", "setsid setsid timeout 1000 "] {
            let script = format!("{wrapper}sh -c 'echo $$; sleep 1000 & wait' & wait");
            let mut program = Program::spawn(shell(&script)).unwrap();
            let deep = line(&mut program);
            program.kill();
            until_gone(&deep);
        }
    }

    #[test]
    fn dropping_kills() {
        let mut program = Program::spawn(shell("echo $$; sleep 1000")).unwrap();
        let pid = line(&mut program);
        drop(program);
        until_gone(&pid);
    }

    #[test]
    fn a_stopped_guard_still_kills() {
        let mut program = Program::spawn(shell("echo $$; sleep 1000")).unwrap();
        let pid = line(&mut program);
        let guard = program.guard.as_ref().unwrap().id().cast_signed();
        kill(Pid::from_raw(guard), Signal::SIGSTOP).unwrap();
        program.kill();
        until_gone(&pid);
    }

    #[test]
    fn the_death_of_the_guard_is_no_end_of_the_program() {
        let mut program = Program::spawn(shell("echo $$; exec sleep 1000")).unwrap();
        let pid = line(&mut program);
        let guard = program.guard.as_ref().unwrap().id().cast_signed();
        kill(Pid::from_raw(guard), Signal::SIGKILL).unwrap();
        assert!(matches!(program.wait(), End::Guard(status) if status.signal() == Some(9)));
        until_gone(&pid);
    }

    #[test]
    fn guards_of_programs_that_left_something_are_reaped_later() {
        let mut program = Program::spawn(shell("sleep 1000 & echo $!")).unwrap();
        let left = line(&mut program);
        program.wait();
        let guard = program.guard.as_ref().unwrap().id().to_string();
        drop(program);
        kill(Pid::from_raw(left.parse().unwrap()), Signal::SIGKILL).unwrap();
        until_gone(&guard);
        Program::spawn(shell("exit 0")).unwrap().wait();
        assert!(!Path::new("/proc").join(&guard).exists());
    }

    #[test]
    fn the_program_is_in_the_callers_group_and_no_signal_is_blocked() {
        let mut command = shell("cut -d ' ' -f 5 /proc/$$/stat; grep SigBlk /proc/self/status");
        command.arg0("sh");
        let mut program = Program::spawn(command).unwrap();
        assert_eq!(line(&mut program), nix::unistd::getpgrp().to_string());
        assert_eq!(line(&mut program), "SigBlk:\t0000000000000000");
        program.wait();
    }
}
