//! A process that ends a program together with the worker that started it, and reports how the program ended.
//!
//! The system kills a child together with its parent if it was asked to, but not the child's children. So between a worker
//! and its program stands a *guard*: a forked copy of the worker that never executes anything and waits for signals.
//!
//! - `SIGCHLD`: a child has ended. The guard is a child subreaper, so that includes everything that the program has started
//!   and left behind. When the program itself has ended, the guard writes a [`Report`] into the pipe that it was given, behind
//!   the program's number, which it has written when it started. It exits when it has no children.
//! - `SIGCONT`: sent by the system when the worker has ended, because it also wakes a guard that was stopped. The guard then
//!   kills the worker's process group and all its own descendants, whatever process group or session they are in.
//! - [`kill_request`]: sent by the worker; the guard kills its descendants.
//!
//! The program is a member of the worker's process group, so that signals to the group reach it; the guard leads a group of
//! its own, so that it is not killed before it has done its work. It blocks all signals, and is killed only by `SIGKILL`:
//! then the program is killed too, and the pipe ends without a report.

use std::{
    ffi::CStr,
    io, mem,
    os::{fd::RawFd, unix::process::CommandExt},
    process::{Command, id},
    ptr,
};

use libc::{c_int, c_uint, pid_t};
use nix::{
    errno::Errno,
    sys::signal::{SigSet, Signal},
    unistd::{Pid, getpgrp, getpid, getppid, setpgid},
};

/// How many times in a row the guard looks in vain for children to kill before it gives up on those that it cannot see:
/// `/proc` may be missing or that of another namespace.
const MAX_VAIN_ROUNDS: u32 = 50;

/// The pause between two looks, unless a child ends.
static ROUND: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// The signal by which a worker has the guard kill the program and all that it has started.
pub(crate) fn kill_request() -> c_int {
    libc::SIGRTMIN()
}

/// Name of a guard's process.
const NAME: &CStr = c"runner-guard";

/// Whether a process is a guard.
pub(crate) fn is_guard(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_ascii_end() == NAME.to_bytes())
}

/// What a guard writes when the program has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// The program's status, as `waitpid` returns it.
    pub(crate) status: c_int,
    /// Whether something that the program has started still runs.
    pub(crate) left_some: bool,
}

impl Report {
    pub(crate) const SIZE: usize = size_of::<c_int>() + 1;

    fn encode(self) -> [u8; Report::SIZE] {
        let [a, b, c, d] = self.status.to_ne_bytes();
        [a, b, c, d, u8::from(self.left_some)]
    }

    pub(crate) fn decode([a, b, c, d, left_some]: [u8; Report::SIZE]) -> Report {
        Report { status: c_int::from_ne_bytes([a, b, c, d]), left_some: left_some != 0 }
    }
}

/// Makes the process that `command` will start a guard, which starts the program and reports to the descriptor `report`.
///
/// The descriptor must be open, and above the standard streams, until the command has been started.
pub(crate) fn guard(command: &mut Command, report: RawFd) {
    let worker = id().cast_signed();
    // SAFETY: the closure makes system calls only; it neither allocates nor locks.
    unsafe {
        command.pre_exec(move || stand_between(worker, report));
    }
}

/// Forks once more: the guard stays here for ever, and the program goes on to be executed.
fn stand_between(worker: pid_t, report: RawFd) -> io::Result<()> {
    SigSet::all().thread_set_mask()?;
    crate::signal::reset_sigchld();
    nix::sys::prctl::set_pdeathsig(Some(Signal::SIGCONT))?;
    // A worker that died before the call sends no signal any more.
    if getppid().as_raw() != worker {
        return Err(Errno::ESRCH.into());
    }
    nix::sys::prctl::set_child_subreaper(true)?;
    let group = getpgrp();
    setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
    let guard = getpid();
    // SAFETY: a fork without the C library's handlers, which might wait for locks that another thread held. Both sides make
    // system calls only from here on.
    let program = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    match pid_t::try_from(program) {
        Ok(0) => Ok(become_program(guard, group)?),
        // SAFETY: this process runs no other code and uses no descriptor but `report`.
        Ok(program) if program > 0 => unsafe {
            Guard { worker, program: Some(program), report, status: None, childless: false }.watch()
        },
        _ => Err(io::Error::last_os_error()),
    }
}

fn become_program(guard: Pid, group: Pid) -> nix::Result<()> {
    nix::sys::prctl::set_pdeathsig(Some(Signal::SIGKILL))?;
    if getppid() != guard {
        return Err(Errno::ESRCH);
    }
    setpgid(Pid::from_raw(0), group)?;
    SigSet::empty().thread_set_mask()
}

/// The state of a guard process. Its methods make system calls only.
struct Guard {
    worker: pid_t,
    /// The program's number until it is reaped.
    program: Option<pid_t>,
    /// Where to report; -1 when that is done.
    report: RawFd,
    /// How the program ended, until that is reported.
    status: Option<c_int>,
    childless: bool,
}

impl Guard {
    /// Runs until the worker has ended or no descendants are left.
    ///
    /// # Safety
    /// Only in a process that runs no other code and uses no descriptor but `report`.
    unsafe fn watch(&mut self) -> ! {
        // SAFETY: the calls take plain numbers, or pointers to values of this batch that outlive them; the caller vouches
        // for the descriptors.
        unsafe {
            libc::prctl(libc::PR_SET_NAME, NAME.as_ptr());
            let pid = self.program.unwrap_or(0);
            libc::write(self.report, (&raw const pid).cast(), size_of::<pid_t>());
            close_all_but(self.report);
            let mut signals: libc::sigset_t = mem::zeroed();
            for signal in [libc::SIGCHLD, libc::SIGCONT, kill_request()] {
                libc::sigaddset(&raw mut signals, signal);
            }
            loop {
                let signal = libc::sigwaitinfo(&raw const signals, ptr::null_mut());
                if libc::getppid() != self.worker {
                    // The session holds the number: as long as this process is in it, the group is the worker's.
                    if libc::getsid(0) == self.worker {
                        libc::kill(-self.worker, libc::SIGKILL);
                    }
                    self.kill_descendants();
                    libc::_exit(0);
                }
                if signal == kill_request() {
                    self.kill_descendants();
                }
                self.reap();
                self.report();
                if self.childless {
                    libc::_exit(0);
                }
            }
        }
    }

    /// Reaps the children that have ended.
    fn reap(&mut self) {
        loop {
            let mut status: c_int = 0;
            // SAFETY: the status is written to a variable of this batch.
            match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
                0 => return,
                ended if Some(ended) == self.program => (self.program, self.status) = (None, Some(status)),
                ended if ended > 0 => {}
                _ => {
                    self.childless = true;
                    return;
                }
            }
        }
    }

    /// Reports the end of the program if that was not done before. Called after all children that have ended are reaped.
    fn report(&mut self) {
        let Some(status) = self.status.take() else { return };
        let report = Report { status, left_some: !self.childless }.encode();
        // SAFETY: the bytes outlive the call, which writes all of them: they are fewer than PIPE_BUF and the pipe is empty.
        unsafe {
            libc::write(self.report, report.as_ptr().cast(), report.len());
            libc::close(self.report);
        }
        self.report = -1;
    }

    /// Kills all descendants. Children of one that was killed become children of this process, so they are found in the
    /// next round.
    fn kill_descendants(&mut self) {
        let mut vain_rounds = 0;
        // SAFETY: the calls take plain numbers, or pointers to values of this batch that outlive them.
        unsafe {
            let mut signals: libc::sigset_t = mem::zeroed();
            libc::sigaddset(&raw mut signals, libc::SIGCHLD);
            loop {
                let mut found = self.program.is_some_and(kill_with_group);
                each_listed_child(&mut |child| found |= kill_with_group(child));
                self.reap();
                vain_rounds = if found { 0 } else { vain_rounds + 1 };
                if self.childless || vain_rounds == MAX_VAIN_ROUNDS {
                    return;
                }
                libc::sigtimedwait(&raw const signals, ptr::null_mut(), &raw const ROUND);
            }
        }
    }
}

/// Kills a child and, if it leads one, its process group; returns whether it was a child of this process that may be killed.
fn kill_with_group(child: pid_t) -> bool {
    // 0 and 1 would name this process's own group and every process.
    if child <= 1 {
        return false;
    }
    // SAFETY: the information is written to a variable of this batch; a child that is not reaped keeps its number, so the
    // signals hit no other process.
    unsafe {
        let mut info: libc::siginfo_t = mem::zeroed();
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        if libc::waitid(libc::P_PID, child.cast_unsigned(), &raw mut info, flags) != 0 {
            return false;
        }
        libc::kill(-child, libc::SIGKILL);
        libc::kill(child, libc::SIGKILL) == 0
    }
}

/// Calls `visit` with each number that the system lists as a child of this process. Those of another namespace's `/proc`
/// are numbers of other processes.
fn each_listed_child(visit: &mut dyn FnMut(pid_t)) {
    // SAFETY: the path is a string that ends, and the buffer outlives the calls.
    unsafe {
        let list = libc::open(c"/proc/thread-self/children".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        if list < 0 {
            return;
        }
        let mut bytes = [0u8; 512];
        let mut number: pid_t = 0;
        while let Ok(count @ 1..) = usize::try_from(libc::read(list, bytes.as_mut_ptr().cast(), bytes.len()))
        {
            for &byte in &bytes[..count] {
                if byte.is_ascii_digit() {
                    number = number.wrapping_mul(10).wrapping_add(pid_t::from(byte - b'0'));
                } else {
                    visit(mem::take(&mut number));
                }
            }
        }
        libc::close(list);
    }
}

/// Closes all descriptors but one.
///
/// # Safety
/// Only in a process that uses none of them.
unsafe fn close_all_but(kept: RawFd) {
    // SAFETY: the caller vouches for it.
    unsafe {
        if let Ok(kept) = c_uint::try_from(kept) {
            close_range(0, kept - 1);
            close_range(kept + 1, c_uint::MAX);
        }
    }
}

/// Closes a range of descriptors; one after the other on a kernel before 5.9, which cannot do it at once.
///
/// # Safety
/// Only in a process that uses none of them.
pub(crate) unsafe fn close_range(first: c_uint, last: c_uint) {
    // SAFETY: the caller vouches for it; the numbers go no further than the limit says.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, last, 0) == 0 {
            return;
        }
        let mut limit = libc::rlimit { rlim_cur: 1024, rlim_max: 1024 };
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        let end = u64::from(last).min(limit.rlim_cur);
        for fd in u64::from(first)..=end {
            libc::close(RawFd::try_from(fd).unwrap_or(-1));
        }
    }
}
