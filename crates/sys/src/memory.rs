//! Limits on a worker's memory, and detection of failed allocations.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint, io,
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::shared_page;

/// Returns the size of this process's address space, in bytes.
///
/// # Errors
/// `/proc` is not mounted or has no such line.
pub fn in_use() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.map(|kilobytes| kilobytes << 10).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Limits the address space of this process, and of each process that it starts, to `bytes` each. A lower
/// hard limit stays in force.
///
/// # Errors
/// The system refuses to set the limit.
pub fn limit(bytes: u64) -> io::Result<()> {
    let bytes = bytes.min(hard_limit()?);
    Ok(setrlimit(Resource::RLIMIT_AS, bytes, bytes)?)
}

/// Returns true if this process could allocate `bytes` now. To be called before a large value is encoded or
/// decoded by code that aborts the process when an allocation fails. Always true in a worker, whose parent
/// reports a death caused by a failed allocation.
#[must_use]
pub fn can_allocate(bytes: usize) -> bool {
    let Ok(layout) = Layout::array::<u8>(bytes.max(1)) else { return false };
    if shared_page::current().is_some() {
        return true;
    }
    // SAFETY: the layout is not empty, and the memory is freed with the layout that it was allocated with.
    unsafe {
        let probe = hint::black_box(System.alloc(layout));
        if !probe.is_null() {
            System.dealloc(probe, layout);
        }
        !probe.is_null()
    }
}

/// Returns the hard limit of this process's address space, in bytes.
///
/// # Errors
/// The system refuses to report the limit.
pub fn hard_limit() -> io::Result<u64> {
    Ok(getrlimit(Resource::RLIMIT_AS)?.1)
}

/// An allocator that passes each call on to another one, by default the system's. In a worker it also
/// records failed allocations in the shared page, so that the parent can distinguish a job that ran out of
/// memory from one that crashed.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::worker::WatchedAllocator;
///
/// #[global_allocator]
/// static ALLOCATOR: WatchedAllocator = WatchedAllocator::system();
///
/// fn main() {
///     assert_eq!(vec![1; 3].len(), 3);
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct WatchedAllocator<A = System> {
    inner: A,
}

impl WatchedAllocator {
    /// Returns the system's allocator, watched.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::worker::WatchedAllocator;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: WatchedAllocator = WatchedAllocator::system();
    /// ```
    #[must_use]
    pub const fn system() -> WatchedAllocator {
        WatchedAllocator::new(System)
    }
}

impl<A> WatchedAllocator<A> {
    /// Returns another allocator, such as mimalloc or jemalloc, watched.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use std::alloc::System;
    /// use pool::worker::WatchedAllocator;
    ///
    /// // In place of `System`: `MiMalloc` of the crate `mimalloc`, or `Jemalloc` of `tikv-jemallocator`.
    /// #[global_allocator]
    /// static ALLOCATOR: WatchedAllocator<System> = WatchedAllocator::new(System);
    /// ```
    #[must_use]
    pub const fn new(inner: A) -> WatchedAllocator<A> {
        WatchedAllocator { inner }
    }
}

fn note_failure(allocated: *mut u8) -> *mut u8 {
    if allocated.is_null()
        && let Some(page) = shared_page::current()
    {
        page.note_alloc_failure();
    }
    allocated
}

// SAFETY: every call is passed on to the inner allocator, which keeps the contract; recording a null
// result changes nothing about it and neither allocates nor unwinds.
unsafe impl<A: GlobalAlloc> GlobalAlloc for WatchedAllocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract.
        note_failure(unsafe { self.inner.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract.
        note_failure(unsafe { self.inner.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract.
        note_failure(unsafe { self.inner.realloc(old, layout, size) })
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { self.inner.dealloc(old, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_room_for_small_sizes_only() {
        assert!(can_allocate(0) && can_allocate(1 << 20));
        assert!(!can_allocate(isize::MAX as usize) && !can_allocate(usize::MAX));
    }
}
