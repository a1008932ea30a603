//! A program that goes with the process that started it, and takes along what it has started itself.
//!
//! The system kills a child together with its parent if it was asked to, but not the child's children. So between a worker and
//! its program stands a *guard*: a copy of the worker that was forked and never executes anything. It waits for whichever
//! comes first, the end of the program, which it passes on as its own, or that of the worker, and then kills the whole
//! process group, of which it is a member. It heeds no signal but those that nobody can refuse, so it is there until then.

use std::{
    io,
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::process::CommandExt,
    },
    process::{Command, id},
};

use libc::{c_int, c_uint, pid_t};
use nix::sys::signal::{SigSet, Signal};

use crate::process::{die_with_parent, pidfd_open};

/// Has the process that `command` will start, and what that starts, killed when this process ends.
///
/// Only a process that leads a process group of its own, as workers do, can have the group killed; for any other the
/// program itself is killed and nothing else.
///
/// # Errors
/// When the system has no descriptors left.
pub fn guard(command: &mut Command) -> io::Result<()> {
    if nix::unistd::getpgrp() != nix::unistd::getpid() {
        die_with_parent(command);
        return Ok(());
    }
    let keeper: OwnedFd = pidfd_open(id())?;
    // SAFETY: the closure makes system calls only; it neither allocates nor locks.
    unsafe {
        command.pre_exec(move || stand_between(keeper.as_raw_fd()));
    }
    Ok(())
}

/// Forks once more: the guard stays here for ever, and the program goes on to be executed.
fn stand_between(keeper: RawFd) -> io::Result<()> {
    SigSet::all().thread_set_mask()?;
    crate::signal::heed_children();
    let guard = id();
    // SAFETY: a fork without the C library's handlers, which might wait for locks that another thread held. Both sides make
    // system calls only from here on.
    let program = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    match pid_t::try_from(program) {
        Ok(0) => {
            nix::sys::prctl::set_pdeathsig(Some(Signal::SIGKILL))?;
            if nix::unistd::getppid().as_raw().cast_unsigned() != guard {
                return Err(nix::errno::Errno::ESRCH.into());
            }
            Ok(SigSet::empty().thread_set_mask()?)
        }
        Ok(program) if program > 0 => watch(keeper, program),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The guard's life.
fn watch(keeper: RawFd, program: pid_t) -> ! {
    // SAFETY: each call takes plain numbers, or pointers to values of this frame that live through it. What is closed are
    // descriptors that nobody uses any more: this process runs no other code.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, c"runner-guard".as_ptr());
        if let Ok(keeper) = c_uint::try_from(keeper) {
            close_all(0, keeper - 1);
            close_all(keeper + 1, c_uint::MAX);
        }
        let program_fd = libc::syscall(libc::SYS_pidfd_open, program, 0);
        let watched = |fd: RawFd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut both = [watched(keeper), watched(RawFd::try_from(program_fd).unwrap_or(-1))];
        // Without a descriptor for the program there is no news of its end: look for it.
        let patience = if program_fd < 0 { 50 } else { -1 };
        loop {
            libc::poll(both.as_mut_ptr(), 2, patience);
            if both[0].revents != 0 {
                // The group: the program, what it has started, and this process.
                libc::kill(0, libc::SIGKILL);
            }
            let mut status: c_int = 0;
            match libc::waitpid(program, &raw mut status, libc::WNOHANG) {
                0 => {}
                ended if ended == program => end_as(status),
                // How it ended nobody can tell any more.
                _ => libc::_exit(127),
            }
        }
    }
}

/// Closes a range of descriptors; one after the other on a kernel before 5.9, which cannot do it at once.
///
/// # Safety
/// Only in a process that uses none of them.
unsafe fn close_all(first: c_uint, last: c_uint) {
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

/// Ends this process as the program has ended.
///
/// # Safety
/// Only in a process that runs no other code.
unsafe fn end_as(status: c_int) -> ! {
    // SAFETY: as in `watch`; the caller vouches for the rest.
    unsafe {
        if libc::WIFSIGNALED(status) {
            let signal = libc::WTERMSIG(status);
            let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core);
            libc::signal(signal, libc::SIG_DFL);
            let mut only: libc::sigset_t = std::mem::zeroed();
            libc::sigaddset(&raw mut only, signal);
            libc::kill(libc::getpid(), signal);
            libc::sigprocmask(libc::SIG_UNBLOCK, &raw const only, std::ptr::null_mut());
            libc::_exit(128 + signal);
        }
        libc::_exit(libc::WEXITSTATUS(status))
    }
}
