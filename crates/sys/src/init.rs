//! What the first process of a PID namespace has to do, such as that of a container: reap the processes that it adopts, and pass
//! signals on, because the system drops those that it does not handle.

use std::{mem, process};

use libc::{c_int, pid_t};
use nix::sys::signal::{SigSet, SigmaskHow};

/// In the first process of a PID namespace, forks: the caller goes on in the child, and this process reaps, passes on
/// signals, and ends with the child's exit code, or 128 + the number of the signal that ended it. Returns at once in any other
/// process, and if no process can be made.
///
/// Call it before any thread is started.
pub fn leave_init() {
    if process::id() != 1 {
        return;
    }
    let Ok(mask) = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK) else { return };
    crate::signal::reset_sigchld();
    // SAFETY: there is one thread, so the child may do what this process may.
    match unsafe { libc::fork() } {
        child @ 1.. => serve(child),
        _ => {
            // In the child, or without one.
            let _ = mask.thread_set_mask();
        }
    }
}

/// Reaps and passes on until the child ends. All signals are blocked.
fn serve(child: pid_t) -> ! {
    // SAFETY: the calls take plain numbers, or pointers to values of this batch that outlive them; the descriptors are not used
    // any more.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, c"runner-init".as_ptr());
        // The other ends of pipes have to see what the child does with its own.
        crate::guard::close_range(0, libc::c_uint::MAX);
        // Signals to the group, as from a terminal, reach the child without help. A session's leader cannot leave it.
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

/// Reaps all children that have ended; exits if the given one is among them.
fn reap_until(child: pid_t) {
    loop {
        let mut status: c_int = 0;
        // SAFETY: the status is written to a variable of this batch.
        match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
            ended if ended == child => {
                let signal = libc::WTERMSIG(status);
                let code = if libc::WIFSIGNALED(status) { 128 + signal } else { libc::WEXITSTATUS(status) };
                // SAFETY: it ends the process, whose exit handlers are the child's to run.
                unsafe { libc::_exit(code) };
            }
            1.. => {}
            _ => return,
        }
    }
}
