//! Child processes that cannot outlive their parent, and that are signalled without races on reused process
//! IDs.

use std::{
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::process::ExitStatusExt,
    },
    path::Path,
    process::ExitStatus,
    time::Duration,
};

use job::{Death, DeathCause};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::{Signal, kill, killpg},
    time::ClockId,
    unistd::{Pid, getpgid, getsid},
};
use parking_lot::{Mutex, MutexGuard};

use crate::guard;

/// A child process that leads a session and a process group of its own. It has no controlling terminal, so
/// neither the process nor its children can be stopped for reading from one.
///
/// The kernel kills the process when the thread that [spawned](crate::spawn::ProcessBuilder::spawn) it ends.
/// It inherits its standard streams and one given descriptor only, and starts with SIGINT and no other signal
/// blocked.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    pidfd: OwnedFd,
    /// After the process is reaped, its ID may be reused. The lock is held while the ID is used.
    is_reaped: Mutex<bool>,
}

impl Process {
    /// Wraps a child of this process that is not reaped yet, and its pidfd.
    pub(crate) fn new(pid: Pid, pidfd: OwnedFd) -> Process {
        Process { pid: pid.as_raw().cast_unsigned(), pidfd, is_reaped: Mutex::new(false) }
    }

    pub(crate) fn id(&self) -> Pid {
        as_pid(self.pid)
    }

    /// Returns the process ID.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal to all processes of the group; does nothing if the process has been reaped.
    ///
    /// Descendants that have left the group but not the session, as `timeout` does, receive the signal too,
    /// except for SIGKILL: that ends the process, and then the [guard](crate::program) of a program kills all
    /// of that program's descendants.
    pub fn signal_group(&self, signal: Signal) {
        let Some(_unreaped) = self.unreaped() else { return };
        let leader = as_pid(self.pid);
        // An error means that the group is gone, so there is nothing to signal.
        let _ = killpg(leader, signal);
        if signal != Signal::SIGKILL {
            // The session is checked last: its ID cannot be reused while the process is not reaped.
            let has_left = |pid: &Pid| getpgid(Some(*pid)) != Ok(leader) && getsid(Some(*pid)) == Ok(leader);
            descendants(Path::new("/proc"), self.pid).into_iter().map(as_pid).filter(has_left).for_each(
                |pid| {
                    let _ = kill(pid, signal);
                },
            );
        }
    }

    /// Returns true if the process is stopped by a signal.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stat().is_some_and(|fields| fields.starts_with('T'))
    }

    /// Returns true if the process is about to end, or has ended. A killed process takes a while to release
    /// its memory.
    #[must_use]
    pub fn is_dying(&self) -> bool {
        /// `PF_EXITING` and `PF_SIGNALED` of the kernel.
        const EXIT_FLAGS: u64 = 0x4 | 0x400;
        const KILLED: u64 = 1 << (Signal::SIGKILL as u64 - 1);
        let Some(stat) = self.stat() else { return true };
        let mut fields = stat.split(' ');
        let is_over = fields.next().is_none_or(|state| state == "Z" || state == "X");
        let mut number =
            |place: usize| fields.nth(place).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        // The state is field 3 of the line, the flags are field 9, and the pending signals are field 31.
        let (flags, pending) = (number(5), number(21));
        is_over || flags & EXIT_FLAGS != 0 || pending & KILLED != 0
    }

    /// Returns the fields of `/proc/PID/stat` from the state on; `None` once the process has been reaped.
    fn stat(&self) -> Option<String> {
        let _unreaped = self.unreaped()?;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // The command name before the state may contain anything, including parentheses.
        Some(stat.rsplit_once(") ")?.1.to_owned())
    }

    /// Waits until the process has ended or the timeout has passed; returns true if it has ended. `None`
    /// waits without a limit.
    #[must_use]
    pub fn wait_for_end(&self, timeout: Option<Duration>) -> bool {
        let timeout =
            timeout.map_or(PollTimeout::NONE, |time| PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX));
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        loop {
            match poll(&mut fds, timeout) {
                Ok(_) => return fds[0].any().unwrap_or(false),
                Err(Errno::EINTR) => {}
                // `poll` on one open descriptor fails for no other reason, so this is not reached.
                Err(_) => return true,
            }
        }
    }

    /// Returns the CPU time used by all threads of the process; `None` once it has been reaped.
    #[must_use]
    pub fn processor_time(&self) -> Option<Duration> {
        let _unreaped = self.unreaped()?;
        let clock = ClockId::pid_cpu_clock_id(as_pid(self.pid)).ok()?;
        clock.now().ok().map(crate::clock::duration)
    }

    /// Returns the resident size of the process and its descendants, in bytes; `None` once the process has
    /// been reaped. Shared pages are counted once for each process. Guards, which are copies of the process,
    /// are not counted.
    #[must_use]
    pub fn resident(&self) -> Option<u64> {
        let _unreaped = self.unreaped()?;
        let others =
            descendants(Path::new("/proc"), self.pid).into_iter().filter(|&pid| !guard::is_guard(pid));
        Some(std::iter::once(self.pid).chain(others).filter_map(resident_of).sum())
    }

    /// Locks the process against being reaped while its ID is used; `None` if it has been reaped.
    fn unreaped(&self) -> Option<MutexGuard<'_, bool>> {
        Some(self.is_reaped.lock()).filter(|is_reaped| !**is_reaped)
    }

    /// Waits for the process to end, kills the rest of its group, and reaps it. Returns `None` if it has been
    /// reaped before.
    pub fn reap(&self) -> Option<Death> {
        let _ = self.wait_for_end(None);
        // The group is killed before the process is reaped: until then its ID cannot be reused.
        self.signal_group(Signal::SIGKILL);
        let mut is_reaped = self.unreaped()?;
        let status = wait(self.id());
        *is_reaped = true;
        let cause = match status {
            Ok(status) => match (status.code(), status.signal()) {
                (Some(code), _) => DeathCause::Exited(code),
                (None, signal) => DeathCause::Signalled(signal.unwrap_or(0)),
            },
            // Reached only in a program that ignores SIGCHLD, and so discards the statuses of its children.
            Err(_) => DeathCause::Exited(0),
        };
        Some(Death { pid: self.pid, cause })
    }
}

impl AsFd for Process {
    /// Returns a descriptor that is readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// Waits for a child to end, and reaps it.
pub(crate) fn wait(child: Pid) -> nix::Result<ExitStatus> {
    let mut status = 0;
    loop {
        // SAFETY: the status is written to a local variable.
        match Errno::result(unsafe { libc::waitpid(child.as_raw(), &raw mut status, 0) }) {
            Err(Errno::EINTR) => {}
            waited => return waited.map(|_| ExitStatus::from_raw(status)),
        }
    }
}

/// Returns the process IDs of all descendants, as far as `proc`, which is `/proc` or a copy of it, lists
/// them.
pub(crate) fn descendants(proc: &Path, ancestor: u32) -> Vec<u32> {
    let mut found = vec![ancestor];
    let mut visited = 0;
    while let Some(&pid) = found.get(visited) {
        visited += 1;
        let threads = std::fs::read_dir(proc.join(format!("{pid}/task"))).into_iter().flatten().flatten();
        for list in threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
        {
            found.extend(list.split_whitespace().filter_map(|number| number.parse::<u32>().ok()));
        }
    }
    found.split_off(1)
}

/// Returns the resident size of one process, in bytes.
fn resident_of(pid: u32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    // SAFETY: reading a system parameter touches no memory.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Some(pages * u64::try_from(page).unwrap_or(4096))
}

fn as_pid(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Read},
        os::fd::AsRawFd,
    };

    use super::*;
    use crate::{placement::Placement, spawn::ProcessBuilder};

    fn spawn(program: &str, arguments: &[&str]) -> Process {
        let null = std::fs::File::open("/dev/null").unwrap();
        ProcessBuilder::new(program).args(arguments).spawn(null.as_fd()).unwrap()
    }

    #[test]
    fn processor_time_is_available_until_the_process_is_reaped() {
        let process = spawn("sh", &["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"]);
        assert!(process.wait_for_end(None));
        assert!(process.processor_time().unwrap() > Duration::from_micros(100));
        process.reap();
        assert_eq!(process.processor_time(), None);
    }

    #[test]
    fn resident_includes_descendants() {
        let process = spawn("sh", &["-c", "head -c 50000000 /dev/zero | tail -c 50000000 | sleep 1000"]);
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while process.resident().unwrap() < 40_000_000 {
            assert!(std::time::Instant::now() < deadline, "{:?}", process.resident());
            std::thread::yield_now();
        }
        process.signal_group(Signal::SIGKILL);
        process.reap();
        assert_eq!(process.resident(), None);
    }

    #[test]
    fn reap_returns_the_exit_code_once() {
        let process = spawn("/bin/sh", &["-c", "exit 7"]);
        let death = process.reap().unwrap();
        assert_eq!(death, Death { pid: process.pid(), cause: DeathCause::Exited(7) });
        assert_eq!(process.reap(), None);
    }

    #[test]
    fn reports_number_of_signal_without_a_name() {
        let number = libc::SIGRTMIN() + 3;
        let process = spawn("/bin/sh", &["-c", &format!("kill -{number} $$")]);
        assert_eq!(process.reap().unwrap().cause, DeathCause::Signalled(number));
    }

    #[test]
    fn signal_reaches_the_whole_group() {
        let process = spawn("/bin/sh", &["-c", "sleep 1000 & wait"]);
        assert!(!process.wait_for_end(Some(Duration::ZERO)));
        process.signal_group(Signal::SIGKILL);
        assert_eq!(process.reap().unwrap().cause, DeathCause::Signalled(9));
        // Its orphans are dead, and disappear as soon as init has reaped them.
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while killpg(as_pid(process.pid()), None).is_ok() {
            assert!(std::time::Instant::now() < deadline, "some process of the group still exists");
            std::thread::yield_now();
        }
    }

    #[test]
    fn signal_reaches_descendants_outside_the_group() {
        let (mut ready, writer) = io::pipe().unwrap();
        let script = "trap : TERM
            timeout 1000 sh -c 'trap \"exit 3\" TERM; echo > $0; while :; do sleep 0.01; done' $0
            exit $?";
        let output = format!("/proc/self/fd/{}", writer.as_raw_fd());
        let mut builder = ProcessBuilder::new("/bin/sh");
        let process = builder.args(["-c", script, &output]).spawn(writer.as_fd()).unwrap();
        ready.read_exact(&mut [0]).unwrap();
        process.signal_group(Signal::SIGTERM);
        assert!(process.wait_for_end(Some(Duration::from_secs(30))), "the signal reached the shell only");
        assert_eq!(process.reap().unwrap().cause, DeathCause::Exited(3));
    }

    #[test]
    fn niceness_applies_to_the_autogroup() {
        let process = |nice| {
            let null = std::fs::File::open("/dev/null").unwrap();
            let mut builder = ProcessBuilder::new("sleep");
            builder.args(["1000"]).placement(Placement { nice, ..Placement::default() });
            let process = builder.spawn(null.as_fd()).unwrap();
            let group = std::fs::read_to_string(format!("/proc/{}/autogroup", process.pid()));
            process.signal_group(Signal::SIGKILL);
            process.reap();
            group
        };
        // Only root may set the autogroup's niceness without a rate limit.
        // SAFETY: it returns a number.
        let is_root = unsafe { libc::geteuid() } == 0;
        if let Ok(group) = process(19)
            && is_root
        {
            assert!(group.ends_with(" nice 19\n"), "{group}");
            assert!(process(0).unwrap().ends_with(" nice 0\n"));
        }
    }

    #[test]
    fn process_leads_a_session_without_a_terminal() {
        let process = spawn("/bin/sh", &["-c", "exec 3</dev/tty"]);
        let leads = getsid(Some(as_pid(process.pid())));
        assert_ne!(process.reap().unwrap().cause, DeathCause::Exited(0));
        assert!(leads.is_err() || leads == Ok(as_pid(process.pid())));
    }

    #[test]
    fn process_is_stopped_until_it_continues() {
        let process = spawn("/bin/sleep", &["1000"]);
        let until = |stopped: bool| {
            let deadline = std::time::Instant::now() + Duration::from_secs(10);
            while process.is_stopped() != stopped {
                assert!(std::time::Instant::now() < deadline);
                std::thread::yield_now();
            }
        };
        until(false);
        process.signal_group(Signal::SIGSTOP);
        until(true);
        process.signal_group(Signal::SIGCONT);
        until(false);
        process.signal_group(Signal::SIGKILL);
        process.reap();
        assert!(!process.is_stopped());
    }

    #[test]
    fn killed_process_is_dying() {
        let process = spawn("/bin/sleep", &["1000"]);
        assert!(!process.is_dying());
        process.signal_group(Signal::SIGSTOP);
        assert!(!process.is_dying(), "it may be continued");
        process.signal_group(Signal::SIGKILL);
        // For a few instructions, between dequeueing the signal and setting its flags, the kernel shows
        // neither.
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while !process.is_dying() {
            assert!(std::time::Instant::now() < deadline, "the process is not reported as dying");
            std::thread::yield_now();
        }
        assert!(process.wait_for_end(None) && process.is_dying());
        process.reap();
        assert!(process.is_dying());
    }

    #[test]
    fn child_dies_with_the_thread_that_spawned_it() {
        let process = std::thread::spawn(|| spawn("/bin/sleep", &["1000"])).join().unwrap();
        assert_eq!(process.reap().unwrap().cause, DeathCause::Signalled(9));
    }
}
