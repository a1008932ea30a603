//! Mappings that are owned.

use std::{ffi::c_void, io, num::NonZeroUsize, os::fd::OwnedFd, ptr::NonNull};

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, munmap};

/// Size in bytes from which anonymous memory is to consist of huge pages, which take less time to fill.
const MIN_HUGE: usize = 4 << 20;

/// A range of mapped memory, which is unmapped when this is dropped. Who may read or write it is decided by
/// the type that owns the mapping.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<c_void>,
    length: NonZeroUsize,
}

// SAFETY: the mapping is owned by this value until it is dropped, and this value does not access it.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `length` bytes of a file that cannot shrink below them.
    ///
    /// # Errors
    /// The length is 0, or the system refuses to map the file.
    pub(super) fn of_file(
        fd: &OwnedFd,
        length: usize,
        protection: ProtFlags,
        flags: MapFlags,
    ) -> io::Result<Mapping> {
        let length = NonZeroUsize::new(length).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: a new mapping at an address chosen by the kernel overlaps no other.
        let start = unsafe { mmap(None, length, protection, flags, fd, 0) }?;
        Ok(Mapping { start, length })
    }

    /// Maps zeroed memory of this process.
    ///
    /// # Errors
    /// The length is 0, or the system is out of memory or mappings.
    pub(super) fn anonymous(length: usize) -> io::Result<Mapping> {
        let length = NonZeroUsize::new(length).ok_or(io::ErrorKind::InvalidInput)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address chosen by the kernel overlaps no other.
        let start = unsafe { mmap_anonymous(None, length, protection, MapFlags::MAP_PRIVATE) }?;
        let mapping = Mapping { start, length };
        if length.get() >= MIN_HUGE {
            mapping.advise(length.get(), MmapAdvise::MADV_HUGEPAGE);
        }
        Ok(mapping)
    }

    /// Passes on advice about the first `length` bytes, which changes nothing but times; for
    /// `MADV_DONTFORK`, forked processes. Advice that the system does not know has no effect.
    pub(super) fn advise(&self, length: usize, advice: MmapAdvise) -> bool {
        // SAFETY: the range is within the mapping, and no advice that is used here changes its contents.
        unsafe { madvise(self.start, length.min(self.length.get()), advice) }.is_ok()
    }

    #[inline]
    pub(super) fn start(&self) -> NonNull<u8> {
        self.start.cast()
    }

    #[inline]
    pub(super) fn length(&self) -> usize {
        self.length.get()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by this type, and its owner does not use it any more. A failure leaks
        // the mapping and has no other effect.
        let _ = unsafe { munmap(self.start, self.length.get()) };
    }
}
