//! The `clone` call, and the child's stack.

use std::{
    ffi::{c_int, c_void},
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

use super::{
    child::{self, Child},
    signal_mask::BlockedSignals,
};
use crate::{
    call::CallError,
    process::{self, Process},
};

/// Creates the child. Returns when the child has executed its program or has ended.
pub(super) fn start(child: &Child<'_>) -> Result<Process, CallError> {
    let stack = Stack::new()?;
    let blocked = BlockedSignals::new()?;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    let mut pidfd: c_int = -1;
    let argument = ptr::from_ref(child).cast_mut().cast::<c_void>();
    // SAFETY: the stack belongs to the child alone, and is large enough for what it does, which is described
    // in `spawn`. The stack and the data behind the argument live until this thread resumes, and the child
    // does not use this memory any more then. If this process is killed before that, the memory is freed only
    // when the child has released it, too.
    let pid = unsafe { libc::clone(child::run, stack.top(), flags, argument, &raw mut pidfd) };
    let error = Errno::last();
    drop(blocked);
    if pid < 0 {
        return Err(CallError::new("clone", error));
    }
    let pid = Pid::from_raw(pid);
    if pidfd < 0 {
        // Kernels before 5.2 ignore the flag.
        let _ = kill(pid, Signal::SIGKILL);
        let _ = process::wait(pid);
        return Err(CallError::new("clone(CLONE_PIDFD)", Errno::ENOSYS));
    }
    // SAFETY: the kernel has just created this descriptor for this process, so it has no other owner.
    Ok(Process::new(pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}

/// Memory for the child's stack, with a guard below it that cannot be accessed.
struct Stack {
    address: NonNull<c_void>,
}

impl Stack {
    /// Size of the guard, in bytes: the largest page size of any architecture.
    const GUARD: usize = 64 << 10;
    /// Several times the stack that the child's few calls use, also in a debug build.
    const USABLE: usize = 64 << 10;
    const SIZE: NonZeroUsize = NonZeroUsize::new(Stack::GUARD + Stack::USABLE).expect("size is not zero");

    fn new() -> Result<Stack, CallError> {
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_STACK | MapFlags::MAP_NORESERVE;
        // SAFETY: a new mapping at an address chosen by the kernel overlaps no other.
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

    /// Returns the end of the stack, where the child begins: stacks grow downwards.
    fn top(&self) -> *mut c_void {
        // SAFETY: the result is the end of the mapping.
        unsafe { self.address.byte_add(Stack::SIZE.get()) }.as_ptr()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this size, and no child uses it any more. A failure leaks the
        // mapping and has no other effect.
        let _ = unsafe { munmap(self.address, Stack::SIZE.get()) };
    }
}
