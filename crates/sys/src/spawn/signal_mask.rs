//! Signal masks in the kernel's format, and blocking of all signals while a child is created.

use std::ffi::c_long;

use nix::errno::Errno;

use crate::call::CallError;

/// A set of signals in the kernel's format: signal 1 is the lowest bit. The C library's own calls leave out
/// the signals that the library reserves.
pub(super) type KernelSignals = u64;

/// Blocks all signals of this thread until it is dropped, including those that the C library reserves.
pub(super) struct BlockedSignals {
    before: KernelSignals,
}

impl BlockedSignals {
    pub(super) fn new() -> Result<BlockedSignals, CallError> {
        let before = set_mask(KernelSignals::MAX).map_err(|error| CallError::new("sigprocmask", error))?;
        Ok(BlockedSignals { before })
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // Cannot fail: the same call succeeded in `new`.
        let _ = set_mask(self.before);
    }
}

/// Replaces the set of signals that this thread blocks; returns the previous set. Only makes a system call.
pub(super) fn set_mask(signals: KernelSignals) -> Result<KernelSignals, Errno> {
    let mut before: KernelSignals = 0;
    // SAFETY: both sets outlive the call, and have the size that is passed.
    let result: c_long = unsafe {
        let (how, size) = (libc::SIG_SETMASK, size_of::<KernelSignals>());
        libc::syscall(libc::SYS_rt_sigprocmask, how, &raw const signals, &raw mut before, size)
    };
    Errno::result(result).map(|_| before)
}
