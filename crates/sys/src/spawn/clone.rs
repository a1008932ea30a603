//! The call that makes the child, and what has to be there for it: a stack, and signals that are blocked.

use std::{
    ffi::{c_int, c_long, c_void},
    num::NonZeroUsize,
    os::fd::{FromRawFd, OwnedFd},
    ptr::{self, NonNull},
};

use nix::{
    errno::Errno,
    sys::{
        mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect, munmap},
        signal::{Signal, kill},
    },
    unistd::Pid,
};

use super::child::{self, Child};
use crate::{
    call::CallError,
    process::{self, Process},
};

/// A set of signals as the kernel has it: signal 1 is the lowest bit. The C library's own calls leave out its
/// own signals.
pub(super) type KernelSignals = u64;

/// Makes the child and returns when it has executed its program, or has ended.
pub(super) fn start(child: &Child<'_>) -> Result<Process, CallError> {
    let stack = Stack::new()?;
    let blocked = BlockedSignals::new()?;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    let mut pidfd: c_int = -1;
    let argument = ptr::from_ref(child).cast_mut().cast::<c_void>();
    // SAFETY: the stack is the child's alone, and large enough for what it does, which is described in
    // `spawn`. It and what the argument leads to live until this thread goes on, and then the child does not
    // use this memory any more. If this process is killed before that, the memory goes only when the child
    // has let go of it, too.
    let pid = unsafe { libc::clone(child::run, stack.top(), flags, argument, &raw mut pidfd) };
    let error = Errno::last();
    drop(blocked);
    if pid < 0 {
        return Err(CallError::new("clone", error));
    }
    let pid = Pid::from_raw(pid);
    if pidfd < 0 {
        // A kernel before 5.2 ignores the flag.
        let _ = kill(pid, Signal::SIGKILL);
        let _ = process::wait(pid);
        return Err(CallError::new("clone(CLONE_PIDFD)", Errno::ENOSYS));
    }
    // SAFETY: the system has just made this descriptor for us, so nobody else owns it.
    Ok(Process::new(pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}

/// Memory for the child's stack. Below it lies a guard that nothing can be written to.
struct Stack {
    address: NonNull<c_void>,
}

impl Stack {
    /// Size of the guard: that of the largest pages that any machine has.
    const GUARD: usize = 64 << 10;
    /// Several times what the child's few calls use, in a debug build too.
    const USABLE: usize = 64 << 10;
    const SIZE: NonZeroUsize = NonZeroUsize::new(Stack::GUARD + Stack::USABLE).expect("not zero");

    fn new() -> Result<Stack, CallError> {
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_STACK | MapFlags::MAP_NORESERVE;
        // SAFETY: a new mapping at an address of the system's choice overlaps nothing.
        let address = unsafe { mmap_anonymous(None, Stack::SIZE, ProtFlags::PROT_NONE, flags) };
        let stack = Stack { address: address.map_err(|error| CallError::new("mmap", error))? };
        // SAFETY: the range is the upper part of the mapping that was just made.
        let opened = unsafe {
            let usable = stack.address.byte_add(Stack::GUARD);
            mprotect(usable, Stack::USABLE, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)
        };
        opened.map_err(|error| CallError::new("mprotect", error))?;
        Ok(stack)
    }

    /// The end of the stack, where the child begins: stacks grow downwards.
    fn top(&self) -> *mut c_void {
        // SAFETY: the end of the mapping.
        unsafe { self.address.byte_add(Stack::SIZE.get()) }.as_ptr()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this size, and no child uses it any more. A failure leaves it
        // behind and harms nothing else.
        let _ = unsafe { munmap(self.address, Stack::SIZE.get()) };
    }
}

/// Blocks all signals of this thread until it is dropped, those of the C library included.
struct BlockedSignals {
    before: KernelSignals,
}

impl BlockedSignals {
    fn new() -> Result<BlockedSignals, CallError> {
        let before = set_mask(KernelSignals::MAX).map_err(|error| CallError::new("sigprocmask", error))?;
        Ok(BlockedSignals { before })
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // It was possible a moment ago.
        let _ = set_mask(self.before);
    }
}

/// Replaces the set of signals that this thread blocks; returns the one before. Only makes a system call.
pub(super) fn set_mask(signals: KernelSignals) -> Result<KernelSignals, Errno> {
    let mut before: KernelSignals = 0;
    // SAFETY: both sets live through the call, and are as large as it is told.
    let result: c_long = unsafe {
        let (how, size) = (libc::SIG_SETMASK, size_of::<KernelSignals>());
        libc::syscall(libc::SYS_rt_sigprocmask, how, &raw const signals, &raw mut before, size)
    };
    Errno::result(result).map(|_| before)
}
