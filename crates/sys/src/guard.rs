//! A process that kills a program together with the worker that started it, and reports how the program
//! ended.
//!
//! The kernel can be asked to kill a child together with its parent, but not the child's children. So there
//! is a *guard* between a worker and its program: a forked copy of the worker that never executes a program
//! and waits for signals.
//!
//! - `SIGCHLD`: a child has ended. The guard is a child subreaper, so its children include everything that
//!   the program has started and left behind. The guard writes the program's PID into the pipe when the
//!   program starts, and a [`Report`] when the program itself has ended. It exits when it has no children.
//! - `SIGCONT`: sent by the kernel when the worker has ended. This signal was chosen because it also wakes a
//!   stopped guard. The guard then kills the worker's process group and all its own descendants, whatever
//!   process group or session they are in.
//! - [`kill_request`]: sent by the worker; the guard kills its descendants.
//!
//! The program is a member of the worker's process group, so that signals to the group reach it. The guard
//! leads a group of its own, so that it is not killed before it has done its work. It blocks all signals and
//! can be killed only by `SIGKILL`: then the program is killed too, and the pipe ends without a report.

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

/// Number of consecutive rounds without a child to kill after which the guard gives up on children that it
/// cannot see: `/proc` may be missing or that of another namespace.
const MAX_EMPTY_ROUNDS: u32 = 50;

/// Pause between two rounds, unless a child ends.
static ROUND_PAUSE: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// Returns the signal that makes a guard kill the program and all its descendants.
pub(crate) fn kill_request() -> c_int {
    libc::SIGRTMIN()
}

/// Name of guard processes, as in `/proc/PID/comm`.
const PROCESS_NAME: &CStr = c"runner-guard";

/// Returns true if the process is a guard.
pub(crate) fn is_guard(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/comm"))
        .is_ok_and(|name| name.trim_ascii_end() == PROCESS_NAME.to_bytes())
}

/// The message that a guard writes when the program has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// The program's status, as returned by `waitpid`.
    pub(crate) status: c_int,
    /// True if descendants of the program are still running.
    pub(crate) left_descendants: bool,
}

impl Report {
    pub(crate) const SIZE: usize = size_of::<c_int>() + 1;

    fn encode(self) -> [u8; Report::SIZE] {
        let [a, b, c, d] = self.status.to_ne_bytes();
        [a, b, c, d, u8::from(self.left_descendants)]
    }

    pub(crate) fn decode([a, b, c, d, left_descendants]: [u8; Report::SIZE]) -> Report {
        Report { status: c_int::from_ne_bytes([a, b, c, d]), left_descendants: left_descendants != 0 }
    }
}

/// Turns the process that `command` will start into a guard, which starts the program and writes its report
/// to the descriptor `report`.
///
/// The descriptor must be open, and above the standard streams, until the command has been started.
pub(crate) fn guard(command: &mut Command, report: RawFd) {
    let worker = id().cast_signed();
    // SAFETY: the closure makes only system calls; it neither allocates nor locks.
    unsafe {
        command.pre_exec(move || fork_program(worker, report));
    }
}

/// Forks again: the guard never returns from here, and the program returns to be executed.
fn fork_program(worker: pid_t, report: RawFd) -> io::Result<()> {
    SigSet::all().thread_set_mask()?;
    crate::signal::reset_sigchld();
    nix::sys::prctl::set_pdeathsig(Some(Signal::SIGCONT))?;
    // A worker that died before the call does not send the signal any more.
    if getppid().as_raw() != worker {
        return Err(Errno::ESRCH.into());
    }
    nix::sys::prctl::set_child_subreaper(true)?;
    let group = getpgrp();
    setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
    let guard = getpid();
    // SAFETY: a fork without the C library's handlers, which might wait for locks that another thread held.
    // Both sides make only system calls from here on.
    let program = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    match pid_t::try_from(program) {
        Ok(0) => Ok(prepare_program(guard, group)?),
        // SAFETY: this process runs no other code and uses no descriptor but `report`.
        Ok(program) if program > 0 => unsafe {
            Guard { worker, program: Some(program), report, status: None, childless: false }.watch()
        },
        _ => Err(io::Error::last_os_error()),
    }
}

fn prepare_program(guard: Pid, group: Pid) -> nix::Result<()> {
    nix::sys::prctl::set_pdeathsig(Some(Signal::SIGKILL))?;
    if getppid() != guard {
        return Err(Errno::ESRCH);
    }
    setpgid(Pid::from_raw(0), group)?;
    SigSet::empty().thread_set_mask()
}

/// State of a guard process. Its methods make only system calls.
struct Guard {
    worker: pid_t,
    /// The program's PID until it is reaped.
    program: Option<pid_t>,
    /// Descriptor of the report pipe; -1 after the report is written.
    report: RawFd,
    /// The program's status until it is reported.
    status: Option<c_int>,
    childless: bool,
}

impl Guard {
    /// Runs until the worker has ended or no descendants are left.
    ///
    /// # Safety
    /// Must be called only in a process that runs no other code and uses no descriptor but `report`.
    unsafe fn watch(&mut self) -> ! {
        // SAFETY: the calls take plain numbers, or pointers to local variables that outlive them; the caller
        // guarantees that the closed descriptors are unused.
        unsafe {
            libc::prctl(libc::PR_SET_NAME, PROCESS_NAME.as_ptr());
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
                    // A session ID is not reused while the session exists: while this process is in it, the
                    // group is the worker's.
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
            // SAFETY: the status is written to a local variable.
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

    /// Writes the report if the program has ended and it is not reported yet. Called after all ended children
    /// are reaped.
    fn report(&mut self) {
        let Some(status) = self.status.take() else { return };
        let report = Report { status, left_descendants: !self.childless }.encode();
        // SAFETY: the bytes outlive the call, which writes all of them: they are fewer than PIPE_BUF and the
        // pipe has room.
        unsafe {
            libc::write(self.report, report.as_ptr().cast(), report.len());
            libc::close(self.report);
        }
        self.report = -1;
    }

    /// Kills all descendants. Children of a killed process become children of this process, so they are found
    /// in the next round.
    fn kill_descendants(&mut self) {
        let mut empty_rounds = 0;
        // SAFETY: the calls take plain numbers, or pointers to local variables that outlive them.
        unsafe {
            let mut signals: libc::sigset_t = mem::zeroed();
            libc::sigaddset(&raw mut signals, libc::SIGCHLD);
            loop {
                let mut found = self.program.is_some_and(kill_with_group);
                each_listed_child(&mut |child| found |= kill_with_group(child));
                self.reap();
                empty_rounds = if found { 0 } else { empty_rounds + 1 };
                if self.childless || empty_rounds == MAX_EMPTY_ROUNDS {
                    return;
                }
                libc::sigtimedwait(&raw const signals, ptr::null_mut(), &raw const ROUND_PAUSE);
            }
        }
    }
}

/// Kills a child and, if it leads one, its process group. Returns true if it was a child of this process that
/// may be killed.
fn kill_with_group(child: pid_t) -> bool {
    // 0 and 1 would address this process's own group and every process.
    if child <= 1 {
        return false;
    }
    // SAFETY: the information is written to a local variable; a child that is not reaped keeps its PID, so
    // the signals reach no other process.
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

/// Calls `visit` with each PID that `/proc` lists as a child of this process. If `/proc` is that of another
/// namespace, these are PIDs of other processes.
fn each_listed_child(visit: &mut dyn FnMut(pid_t)) {
    // SAFETY: the path is a C string, and the buffer outlives the calls.
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
/// Must be called only in a process that uses none of the closed descriptors.
unsafe fn close_all_but(except: RawFd) {
    // SAFETY: the caller guarantees that the descriptors are unused.
    unsafe {
        if let Ok(except) = c_uint::try_from(except) {
            close_range(0, except - 1);
            close_range(except + 1, c_uint::MAX);
        }
    }
}

/// Closes the descriptors from `first` to `last`, one by one on kernels before 5.9, which have no call for a
/// range.
///
/// # Safety
/// Must be called only in a process that uses none of them.
pub(crate) unsafe fn close_range(first: c_uint, last: c_uint) {
    // SAFETY: the caller guarantees that the descriptors are unused; the numbers are bounded by the
    // descriptor limit.
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
