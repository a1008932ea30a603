//! An asymmetric memory barrier between two processes.
//!
//! A worker publishes each job that it begins and then reads the parent's orders. The parent publishes an
//! order and then reads the job that the worker has begun. Each side needs a full fence between its two
//! steps, so that at least one of the two sees the other's write (the pattern of Dekker's algorithm).
//!
//! A fence costs a tenth of a short job, and the parent rarely gives orders. So the parent executes the
//! worker's fences as well when it needs them: `membarrier(2)` makes every running thread of all registered
//! processes execute one. Where the kernel refuses the registration, the worker executes a fence for each
//! job.

use std::sync::atomic::{Ordering, compiler_fence, fence};

const GLOBAL_EXPEDITED: libc::c_int = 1 << 1;
const REGISTER_GLOBAL_EXPEDITED: libc::c_int = 1 << 2;

/// Registers this process for barriers of other processes; returns true if the kernel supports it.
pub(crate) fn register() -> bool {
    membarrier(REGISTER_GLOBAL_EXPEDITED)
}

/// Executes a full fence in this thread and in all running threads of registered processes.
pub(crate) fn for_all() {
    fence(Ordering::SeqCst);
    // Fails only where registration fails too.
    membarrier(GLOBAL_EXPEDITED);
}

/// The fence between publishing a job and reading orders: a compiler fence if this process is registered,
/// else a full fence.
#[inline]
pub(crate) fn light(is_registered: bool) {
    if is_registered {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: the call takes numbers only.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}
