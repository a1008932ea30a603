//! Child processes that cannot outlive their parent and can be signalled without hitting a stranger.

use std::{
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::process::ExitStatusExt,
    },
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

/// A child process that leads a session and a process group of its own: it has no controlling terminal, so neither it nor
/// what it starts can be stopped for reading from one.
///
/// It is killed by the system when the thread that [spawned](crate::spawn::ProcessBuilder::spawn) it ends,
/// inherits no descriptor beyond its standard streams and the one it is given, and starts with SIGINT blocked
/// and no other signal.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    pidfd: OwnedFd,
    /// Once it is reaped, its number may be another process's. Held while the number is used.
    is_reaped: Mutex<bool>,
}

impl Process {
    /// A child of this process that is not reaped yet, and its descriptor.
    pub(crate) fn new(pid: Pid, pidfd: OwnedFd) -> Process {
        Process { pid: pid.as_raw().cast_unsigned(), pidfd, is_reaped: Mutex::new(false) }
    }

    pub(crate) fn id(&self) -> Pid {
        as_pid(self.pid)
    }

    /// The process's number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal to the process and all others of its group; nothing if it has been reaped.
    ///
    /// Descendants that have left the group but not the session, as `timeout` does, get it too, but for SIGKILL: it ends the
    /// process, and then the [guard](crate::program) of a program kills all of that program's descendants.
    pub fn signal_group(&self, signal: Signal) {
        let Some(_unreaped) = self.unreaped() else { return };
        let leader = as_pid(self.pid);
        // Failure means that the group is gone, which is all that a signal could ask for.
        let _ = killpg(leader, signal);
        if signal != Signal::SIGKILL {
            // The session is looked at last: its number is taken as long as the process is not reaped.
            let has_left = |pid: &Pid| getpgid(Some(*pid)) != Ok(leader) && getsid(Some(*pid)) == Ok(leader);
            descendants(self.pid).into_iter().map(as_pid).filter(has_left).for_each(|pid| {
                let _ = kill(pid, signal);
            });
        }
    }

    /// Whether a signal has stopped the process where it stands.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stat().is_some_and(|fields| fields.starts_with('T'))
    }

    /// Whether the process is about to end, or has ended: a process that is killed takes a while to give its memory back.
    #[must_use]
    pub fn is_dying(&self) -> bool {
        /// Of `PF_EXITING` and `PF_SIGNALED`, in the kernel's numbers.
        const ENDS: u64 = 0x4 | 0x400;
        const KILLED: u64 = 1 << (Signal::SIGKILL as u64 - 1);
        let Some(stat) = self.stat() else { return true };
        let mut fields = stat.split(' ');
        let is_over = fields.next().is_none_or(|state| state == "Z" || state == "X");
        let mut number =
            |place: usize| fields.nth(place).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        // The state is the third field of all, flags are the ninth, and pending signals the thirty-first.
        let (flags, pending) = (number(5), number(21));
        is_over || flags & ENDS != 0 || pending & KILLED != 0
    }

    /// The fields that the system tells of it, from its state on; `None` once it has been reaped.
    fn stat(&self) -> Option<String> {
        let _unreaped = self.unreaped()?;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // The name before the state may contain anything, parentheses included.
        Some(stat.rsplit_once(") ")?.1.to_owned())
    }

    /// Waits until the process has ended or the time is over, and says whether it has. `None` waits for ever.
    #[must_use]
    pub fn wait_for_end(&self, timeout: Option<Duration>) -> bool {
        let timeout =
            timeout.map_or(PollTimeout::NONE, |time| PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX));
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        loop {
            match poll(&mut fds, timeout) {
                Ok(_) => return fds[0].any().unwrap_or(false),
                Err(Errno::EINTR) => {}
                // Neither memory for a descriptor nor the descriptor itself can be missing.
                Err(_) => return true,
            }
        }
    }

    /// The processor time that it has used, all of its threads together; `None` once it has been reaped.
    #[must_use]
    pub fn processor_time(&self) -> Option<Duration> {
        let _unreaped = self.unreaped()?;
        let clock = ClockId::pid_cpu_clock_id(as_pid(self.pid)).ok()?;
        clock.now().ok().map(crate::clock::duration)
    }

    /// Resident size of the process and its descendants, in bytes; `None` once it has been reaped. What they share is
    /// counted for each of them, but for guards, which are copies of the process.
    #[must_use]
    pub fn resident(&self) -> Option<u64> {
        let _unreaped = self.unreaped()?;
        let others = descendants(self.pid).into_iter().filter(|&pid| !guard::is_guard(pid));
        Some(std::iter::once(self.pid).chain(others).filter_map(resident_of).sum())
    }

    /// Keeps the process from being reaped while its number is used; `None` if it has been reaped.
    fn unreaped(&self) -> Option<MutexGuard<'_, bool>> {
        Some(self.is_reaped.lock()).filter(|is_reaped| !**is_reaped)
    }

    /// Waits for the process to end, kills what is left of its group, and reaps it. The second call finds
    /// nothing to reap and answers `None`.
    pub fn reap(&self) -> Option<Death> {
        let _ = self.wait_for_end(None);
        // The group goes before the reaping: until then nobody else can own its number.
        self.signal_group(Signal::SIGKILL);
        let mut is_reaped = self.unreaped()?;
        let status = wait(self.id());
        *is_reaped = true;
        let cause = match status {
            Ok(status) => match (status.code(), status.signal()) {
                (Some(code), _) => DeathCause::Exited(code),
                (None, signal) => DeathCause::Signalled(signal.unwrap_or(0)),
            },
            // Only a program that ignores SIGCHLD, and so gives up its children's statuses, gets here.
            Err(_) => DeathCause::Exited(0),
        };
        Some(Death { pid: self.pid, cause })
    }
}

impl AsFd for Process {
    /// A descriptor that is readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// Waits for a child to end, and reaps it.
pub(crate) fn wait(child: Pid) -> nix::Result<ExitStatus> {
    let mut status = 0;
    loop {
        // SAFETY: the status is written to a variable of this batch.
        match Errno::result(unsafe { libc::waitpid(child.as_raw(), &raw mut status, 0) }) {
            Err(Errno::EINTR) => {}
            waited => return waited.map(|_| ExitStatus::from_raw(status)),
        }
    }
}

/// The numbers of the children of a process, their children, and so on, as far as `/proc` lists them.
fn descendants(ancestor: u32) -> Vec<u32> {
    let mut found = vec![ancestor];
    let mut visited = 0;
    while let Some(&pid) = found.get(visited) {
        visited += 1;
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        for list in threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
        {
            found.extend(list.split_whitespace().filter_map(|number| number.parse::<u32>().ok()));
        }
    }
    found.split_off(1)
}

/// Resident size of one process, in bytes.
fn resident_of(pid: u32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    // SAFETY: asking for a number touches no memory.
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
    fn processor_time_is_known_until_it_is_reaped() {
        let process = spawn("sh", &["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"]);
        assert!(process.wait_for_end(None));
        assert!(process.processor_time().unwrap() > Duration::from_micros(100));
        process.reap();
        assert_eq!(process.processor_time(), None);
    }

    #[test]
    fn what_it_has_started_counts_for_its_size() {
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
    fn an_exit_code_is_reported_once() {
        let process = spawn("/bin/sh", &["-c", "exit 7"]);
        let death = process.reap().unwrap();
        assert_eq!(death, Death { pid: process.pid(), cause: DeathCause::Exited(7) });
        assert_eq!(process.reap(), None);
    }

    #[test]
    fn a_signal_without_a_name_is_reported_by_its_number() {
        let number = libc::SIGRTMIN() + 3;
        let process = spawn("/bin/sh", &["-c", &format!("kill -{number} $$")]);
        assert_eq!(process.reap().unwrap().cause, DeathCause::Signalled(number));
    }

    #[test]
    fn a_signal_reaches_the_whole_group() {
        let process = spawn("/bin/sh", &["-c", "sleep 1000 & wait"]);
        assert!(!process.wait_for_end(Some(Duration::ZERO)));
        process.signal_group(Signal::SIGKILL);
        assert_eq!(process.reap().unwrap().cause, DeathCause::Signalled(9));
        // Its orphans are dead, and gone as soon as init has reaped them.
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while killpg(as_pid(process.pid()), None).is_ok() {
            assert!(std::time::Instant::now() < deadline, "something of the group is left");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_signal_reaches_those_who_have_left_the_group() {
        let (mut ready, writer) = io::pipe().unwrap();
        let script = "trap : TERM
            timeout 1000 sh -c 'trap \"exit 3\" TERM; echo > $0; while :; do sleep 0.01; done' $0
            exit $?";
        let output = format!("/proc/self/fd/{}", writer.as_raw_fd());
        let mut builder = ProcessBuilder::new("/bin/sh");
        let process = builder.args(["-c", script, &output]).spawn(writer.as_fd()).unwrap();
        ready.read_exact(&mut [0]).unwrap();
        process.signal_group(Signal::SIGTERM);
        assert!(process.wait_for_end(Some(Duration::from_secs(30))), "only the shell was signalled");
        assert_eq!(process.reap().unwrap().cause, DeathCause::Exited(3));
    }

    #[test]
    fn niceness_counts_outside_the_session_too() {
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
        // Only root may set it as often as it likes.
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
    fn a_process_leads_a_session_without_a_terminal() {
        let process = spawn("/bin/sh", &["-c", "exec 3</dev/tty"]);
        let leads = getsid(Some(as_pid(process.pid())));
        assert_ne!(process.reap().unwrap().cause, DeathCause::Exited(0));
        assert!(leads.is_err() || leads == Ok(as_pid(process.pid())));
    }

    #[test]
    fn a_stopped_process_is_recognised_until_it_goes_on() {
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
    fn a_process_that_is_killed_is_dying_until_it_is_reaped() {
        let process = spawn("/bin/sleep", &["1000"]);
        assert!(!process.is_dying());
        process.signal_group(Signal::SIGSTOP);
        assert!(!process.is_dying(), "it may go on");
        process.signal_group(Signal::SIGKILL);
        // Between taking the signal and noting that it was killed by one, the kernel says neither for a few instructions.
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while !process.is_dying() {
            assert!(std::time::Instant::now() < deadline, "it is not known to be dying");
            std::thread::yield_now();
        }
        assert!(process.wait_for_end(None) && process.is_dying());
        process.reap();
        assert!(process.is_dying());
    }

    #[test]
    fn a_child_dies_with_the_thread_that_spawned_it() {
        let process = std::thread::spawn(|| spawn("/bin/sleep", &["1000"])).join().unwrap();
        assert_eq!(process.reap().unwrap().cause, DeathCause::Signalled(9));
    }
}
