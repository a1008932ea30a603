//! A memory barrier that one process makes for another.
//!
//! A worker publishes each job that it begins and then looks at what its parent asks of it. The parent publishes what it asks
//! and then looks at what has begun. Each needs a full fence in between, so that one of the two sees the other (the pattern
//! of Dekker's algorithm). A fence takes a tenth of the time of a short job, and the parent hardly ever asks. So the parent
//! makes the worker's fences as well when it needs them: `membarrier(2)` has every running thread of registered processes
//! pass one. Where the system refuses to register, the worker passes a fence for each job.

use std::sync::atomic::{Ordering, compiler_fence, fence};

const GLOBAL_EXPEDITED: libc::c_int = 1 << 1;
const REGISTER_GLOBAL_EXPEDITED: libc::c_int = 1 << 2;

/// Has this process pass a barrier whenever another process asks for one; returns whether the system does that.
pub(crate) fn register() -> bool {
    membarrier(REGISTER_GLOBAL_EXPEDITED)
}

/// Passes a full fence, and has all processes that are registered pass one.
pub(crate) fn for_all() {
    fence(Ordering::SeqCst);
    // Refused only where it cannot be registered for either.
    membarrier(GLOBAL_EXPEDITED);
}

/// A fence of a process that has registered, or could not.
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
