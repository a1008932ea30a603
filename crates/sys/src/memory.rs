//! A bound on a worker's memory, and ways to tell that it died of it.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint, io,
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::shared_page;

/// Address space that this process takes up now, in bytes.
///
/// # Errors
/// When there is no `/proc` that tells.
pub fn in_use() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.map(|kilobytes| kilobytes << 10).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Bounds the address space of this process, and of what it starts, to this number of bytes each. A hard limit that is
/// lower already stays as it is.
///
/// # Errors
/// When the system refuses.
pub fn limit(bytes: u64) -> io::Result<()> {
    let bytes = bytes.min(hard_limit()?);
    Ok(setrlimit(Resource::RLIMIT_AS, bytes, bytes)?)
}

/// Whether this process could allocate so many bytes now: asked before a long value is decoded or written by code whose
/// allocations end the process when they fail. True in a worker, whose parent reports it if it dies of that.
#[must_use]
pub fn has_room(bytes: usize) -> bool {
    let Ok(layout) = Layout::array::<u8>(bytes.max(1)) else { return false };
    if shared_page::current().is_some() {
        return true;
    }
    // SAFETY: the layout is not empty, and what was allocated is given back with the same layout.
    unsafe {
        let probe = hint::black_box(System.alloc(layout));
        if !probe.is_null() {
            System.dealloc(probe, layout);
        }
        !probe.is_null()
    }
}

/// The hard limit of this process's address space, in bytes.
///
/// # Errors
/// When the system does not tell.
pub fn hard_limit() -> io::Result<u64> {
    Ok(getrlimit(Resource::RLIMIT_AS)?.1)
}

/// The system's allocator, which tells the parent of a worker when there was no memory to be had, so that a job that
/// dies of it can be told from one that crashed.
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: sys::memory::WatchedAllocator = sys::memory::WatchedAllocator;
///
/// fn main() {
///     assert_eq!(vec![1; 3].len(), 3);
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct WatchedAllocator;

fn noted(allocated: *mut u8) -> *mut u8 {
    if allocated.is_null()
        && let Some(page) = shared_page::current()
    {
        page.note_alloc_failure();
    }
    allocated
}

// SAFETY: every call is passed on to the system's allocator, which keeps the contract; looking at the result changes
// nothing about it and neither allocates nor unwinds.
unsafe impl GlobalAlloc for WatchedAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract.
        noted(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract.
        noted(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract.
        noted(unsafe { System.realloc(old, layout, size) })
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(old, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_some_bytes_and_not_for_any_number() {
        assert!(has_room(0) && has_room(1 << 20));
        assert!(!has_room(isize::MAX as usize) && !has_room(usize::MAX));
    }
}
