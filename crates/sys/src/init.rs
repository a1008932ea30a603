//! Duties of the first process of a PID namespace, such as that of a container: reap adopted processes, and
//! forward signals, because the kernel drops signals that this process does not handle.

use std::{mem, process};

use libc::{c_int, pid_t};
use nix::sys::signal::{SigSet, SigmaskHow};

/// Forks if this is the first process of a PID namespace. The caller continues in the child. This process
/// reaps, forwards signals, and exits with the child's exit code, or with 128 plus the number of the signal
/// that ended the child. Returns at once in any other process, and if the fork fails.
///
/// Must be called before any thread is started.
pub fn fork_from_init() {
    if process::id() != 1 {
        return;
    }
    let Ok(mask) = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK) else { return };
    crate::signal::reset_sigchld();
    // SAFETY: there is one thread, so the child may do whatever this process may do.
    match unsafe { libc::fork() } {
        child @ 1.. => serve(child),
        _ => {
            // In the child, or the fork failed.
            let _ = mask.thread_set_mask();
        }
    }
}

/// Reaps and forwards signals until the child ends. All signals are blocked.
fn serve(child: pid_t) -> ! {
    // SAFETY: the calls take plain numbers, or pointers to local variables that outlive them; the closed
    // descriptors are not used any more.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, c"runner-init".as_ptr());
        // Other ends of pipes must be closed when the child closes its own.
        crate::guard::close_range(0, libc::c_uint::MAX);
        // Signals to the group, as from a terminal, reach the child directly. A session leader cannot leave
        // its group.
        let shares_group = libc::setpgid(0, 0) != 0;
        let mut signals: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&raw mut signals);
        loop {
            let mut info: libc::siginfo_t = mem::zeroed();
            let signal = libc::sigwaitinfo(&raw const signals, &raw mut info);
            if signal == libc::SIGCHLD {
                reap_until(child);
            } else if signal > 0 && !(shares_group && info.si_code == libc::SI_KERNEL) {
                libc::kill(child, signal);
            }
        }
    }
}

/// Reaps all children that have ended; exits if `child` is among them.
fn reap_until(child: pid_t) {
    loop {
        let mut status: c_int = 0;
        // SAFETY: the status is written to a local variable.
        match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
            ended if ended == child => {
                let signal = libc::WTERMSIG(status);
                let code = if libc::WIFSIGNALED(status) { 128 + signal } else { libc::WEXITSTATUS(status) };
                // SAFETY: the call ends the process; exit handlers are left to the child.
                unsafe { libc::_exit(code) };
            }
            1.. => {}
            _ => return,
        }
    }
}
