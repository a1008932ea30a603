//! Report of a stack overflow, for a thread that runs before `main`. Later, the standard library does this.

use std::{
    ffi::{c_int, c_void},
    mem, ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Size of the stack of the signal handler, in bytes. Larger than the kernel's largest signal frame.
const HANDLER_STACK: usize = 64 << 10;

/// Distance from the end of the stack, in bytes, within which a fault counts as an overflow. Functions touch
/// each page of a large frame in order, so the first fault is close to the end.
const NEAR: usize = 64 << 10;

/// Lowest address to which the watched thread's stack can grow.
static STACK_END: AtomicUsize = AtomicUsize::new(0);

/// Reports an overflow of the calling thread's stack on standard error, before the process ends by SIGSEGV.
/// Does nothing if the bounds of the stack are unknown or there is no memory for the handler's stack.
pub(crate) fn report() {
    if let Some(end) = stack_end()
        && use_handler_stack()
    {
        STACK_END.store(end, Ordering::Relaxed);
        [libc::SIGSEGV, libc::SIGBUS].into_iter().for_each(handle);
    }
}

/// Returns the lowest address to which the main thread's stack can grow.
fn stack_end() -> Option<usize> {
    // SAFETY: the attributes are initialised by the first call before they are read and destroyed.
    unsafe {
        let mut attributes: libc::pthread_attr_t = mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &raw mut attributes) != 0 {
            return None;
        }
        let (mut address, mut size) = (ptr::null_mut::<c_void>(), 0usize);
        let known = libc::pthread_attr_getstack(&raw const attributes, &raw mut address, &raw mut size) == 0;
        libc::pthread_attr_destroy(&raw mut attributes);
        let mut limit: libc::rlimit = mem::zeroed();
        if !known || libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit) != 0 {
            return None;
        }
        // musl reports the present size of the main thread's stack, glibc the limit of its size.
        lowest_address(address.addr(), address.addr() + size, limit.rlim_cur)
    }
}

/// Returns the lowest address to which a stack can grow that is reported to reach from `start` to `end`;
/// `None` if its size is unlimited. The end would then be address 0, and every null pointer an overflow.
fn lowest_address(start: usize, end: usize, limit: libc::rlim_t) -> Option<usize> {
    if limit == libc::RLIM_INFINITY {
        return None;
    }
    let lowest = end.saturating_sub(usize::try_from(limit).ok()?).min(start);
    (lowest > NEAR).then_some(lowest)
}

/// Gives the calling thread a second stack, on which the handler can run when the first one is exhausted.
fn use_handler_stack() -> bool {
    // SAFETY: the new mapping overlaps no other, and is never unmapped, so it outlives its use as a stack.
    unsafe {
        let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let memory = libc::mmap(ptr::null_mut(), HANDLER_STACK, access, flags, -1, 0);
        let stack = libc::stack_t { ss_sp: memory, ss_flags: 0, ss_size: HANDLER_STACK };
        memory != libc::MAP_FAILED && libc::sigaltstack(&raw const stack, ptr::null_mut()) == 0
    }
}

fn handle(signal: c_int) {
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_fault;
    // SAFETY: all zeros is a valid action, which is then completed. The handler only makes calls that are
    // async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaction(signal, &raw const action, ptr::null_mut());
    }
}

/// Reports an overflow, and leaves the rest to the default action: the instruction that faulted is executed
/// again. A signal that was sent by a process is sent again.
extern "C" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    const MESSAGE: &[u8] = b"stack overflow: the main thread of this worker has exhausted its stack\n";
    // SAFETY: the kernel passes valid information, which has an address for these two signals; the message
    // outlives the call; the default action runs no code.
    unsafe {
        let was_sent = (*info).si_code <= 0;
        let address = (*info).si_addr() as usize;
        if !was_sent && address.abs_diff(STACK_END.load(Ordering::Relaxed)) < NEAR {
            libc::write(libc::STDERR_FILENO, MESSAGE.as_ptr().cast(), MESSAGE.len());
        }
        libc::signal(signal, libc::SIG_DFL);
        if was_sent {
            libc::raise(signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unlimited_stack_has_no_end() {
        let (start, end) = (0x7ffc_0000_0000, 0x7ffc_0080_0000);
        assert_eq!(lowest_address(start, end, 8 << 20), Some(start));
        assert_eq!(lowest_address(end - 4096, end, 8 << 20), Some(start));
        assert_eq!(lowest_address(start, end, libc::RLIM_INFINITY), None);
        assert_eq!(lowest_address(start, end, libc::RLIM_INFINITY - 1), None);
    }
}
