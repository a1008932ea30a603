//! Memory that two processes share: an anonymous file, sealed so that neither can shrink it under the other.
//!
//! A file starts with fixed memory, followed by a ring if it has one. The ring is mapped twice, one copy behind the other, so that any
//! range of up to its capacity is contiguous wherever it starts.

use std::{
    ffi::{CStr, c_void},
    io,
    num::NonZeroUsize,
    os::fd::{AsFd, OwnedFd},
    ptr::NonNull,
};

use nix::{
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::{
        memfd::{MFdFlags, memfd_create},
        mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, munmap},
        stat::fstat,
    },
    unistd::ftruncate,
};

use crate::call::CallError;

/// Sizes of a file's parts, in bytes: multiples of 64 KiB, the largest page size of any Linux.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Fixed memory at the start.
    pub(crate) fixed: NonZeroUsize,
    /// Capacity of the ring behind it; 0 if there is none.
    pub(crate) ring: usize,
}

impl Layout {
    const fn file(self) -> NonZeroUsize {
        self.fixed.checked_add(self.ring).expect("the parts of a file fit the address space")
    }

    const fn mapping(self) -> NonZeroUsize {
        self.file().checked_add(self.ring).expect("the parts of a file fit the address space")
    }
}

/// Access of the process that did not create a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// The other process can only map it for reading.
    ReadOnly,
    ReadWrite,
}

/// Bytes of a file and their place in the mapping.
struct Part {
    at: usize,
    offset: usize,
    length: NonZeroUsize,
}

/// A mapping of a shared file. A copy of the process that `fork` makes does not have it.
#[derive(Debug)]
pub(crate) struct MemoryFile {
    base: NonNull<c_void>,
    layout: Layout,
}

// SAFETY: the mapping is owned by this value until it is dropped. It is accessed through atomics or through the copying functions
// below, whose contracts say which side may write to which range.
unsafe impl Send for MemoryFile {}
// SAFETY: as above.
unsafe impl Sync for MemoryFile {}

impl MemoryFile {
    /// Makes a file of zeros and maps it; returns the descriptor with which the other process opens it.
    pub(crate) fn create(
        name: &CStr,
        layout: Layout,
        other: Access,
    ) -> Result<(MemoryFile, OwnedFd), CallError> {
        let fd = MemoryFile::create_file(name, layout)?;
        let memory = MemoryFile::map(&fd, layout, Access::ReadWrite)?;
        let mut seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        if other == Access::ReadOnly {
            // Mappings that exist already stay writable.
            seals |= SealFlag::F_SEAL_FUTURE_WRITE;
        }
        fcntl(&fd, FcntlArg::F_ADD_SEALS(seals)).map_err(|e| CallError::new("fcntl(F_ADD_SEALS)", e))?;
        Ok((memory, fd))
    }

    /// Makes a file of zeros.
    pub(crate) fn create_file(name: &CStr, layout: Layout) -> Result<OwnedFd, CallError> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let fd = memfd_create(name, flags).map_err(|e| CallError::new("memfd_create", e))?;
        ftruncate(&fd, layout.file().get() as i64).map_err(|e| CallError::new("ftruncate", e))?;
        Ok(fd)
    }

    /// Maps a file that another process made.
    ///
    /// # Errors
    /// When the descriptor is not of such a file.
    pub(crate) fn open(fd: &OwnedFd, layout: Layout, access: Access) -> io::Result<MemoryFile> {
        MemoryFile::check(fd, layout)?;
        MemoryFile::map(fd, layout, access).map_err(io::Error::other)
    }

    /// Checks that a file is sealed and large enough.
    pub(crate) fn check(fd: &OwnedFd, layout: Layout) -> io::Result<()> {
        let seals = fcntl(fd, FcntlArg::F_GET_SEALS)?;
        let is_large_enough = fstat(fd)?.st_size >= layout.file().get() as i64;
        if seals & SealFlag::F_SEAL_SHRINK.bits() == 0 || !is_large_enough {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        Ok(())
    }

    fn map(fd: &OwnedFd, layout: Layout, access: Access) -> Result<MemoryFile, CallError> {
        let failed = |error| CallError::new("mmap", error);
        // SAFETY: a new mapping at an address of the system's choice overlaps nothing.
        let base = unsafe {
            mmap_anonymous(None, layout.mapping(), ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE)
                .map_err(failed)?
        };
        // From here on dropping it unmaps what was reserved.
        let memory = MemoryFile { base, layout };
        memory.map_part(fd, access, Part { at: 0, offset: 0, length: layout.file() })?;
        if let Some(length) = NonZeroUsize::new(layout.ring) {
            let again = Part { at: layout.file().get(), offset: layout.fixed.get(), length };
            memory.map_part(fd, access, again)?;
        }
        // SAFETY: the range is the mapping that was just made.
        unsafe { madvise(base, layout.mapping().get(), MmapAdvise::MADV_DONTFORK) }
            .map_err(|error| CallError::new("madvise", error))?;
        Ok(memory)
    }

    /// Maps a part of the file into the reserved range.
    fn map_part(&self, fd: impl AsFd, access: Access, part: Part) -> Result<(), CallError> {
        let protection = match access {
            Access::ReadOnly => ProtFlags::PROT_READ,
            Access::ReadWrite => ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
        };
        let address = NonZeroUsize::new(self.base.as_ptr().addr() + part.at);
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED;
        // SAFETY: the range lies within what `map` has reserved and nothing else uses, so replacing it affects no other mapping;
        // the file has that many bytes and, being sealed, keeps them.
        unsafe { mmap(address, part.length, protection, flags, fd, part.offset as i64) }
            .map_err(|error| CallError::new("mmap", error))?;
        Ok(())
    }

    /// Start of the fixed memory.
    #[inline]
    pub(crate) fn fixed(&self) -> NonNull<u8> {
        self.base.cast()
    }

    /// Size of the fixed memory, in bytes.
    #[inline]
    pub(crate) fn fixed_size(&self) -> usize {
        self.layout.fixed.get()
    }

    /// Capacity of the ring, in bytes; 0 if there is none.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.layout.ring
    }

    /// The ring from a position on: a range of `length` bytes that may be read and, in a writable mapping, written.
    ///
    /// # Panics
    /// If there is no ring, or `length` is larger than the capacity.
    #[inline]
    fn range(&self, position: u64, length: usize) -> NonNull<u8> {
        assert!(length <= self.capacity());
        let place = (position % self.capacity() as u64) as usize;
        // SAFETY: the ring lies twice behind the fixed memory, `place` is within the first of the two and `length` not larger
        // than one: the range is within the mapping.
        unsafe { self.fixed().add(self.layout.fixed.get() + place) }
    }

    /// Copies bytes into the ring. The other process may see them at any time; what it reads before it is told that they
    /// are there is its own affair.
    ///
    /// # Panics
    /// If they are more than the capacity.
    #[inline]
    pub(crate) fn copy_in(&self, position: u64, bytes: &[u8]) {
        let range = self.range(position, bytes.len());
        // SAFETY: the range is mapped; only the producer of a ring, which has a writable mapping, copies into it, and from
        // one thread at a time. `bytes` is memory of this process's own, so the two cannot overlap.
        unsafe { range.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
    }

    /// Appends `length` bytes of the ring to `buffer`. What the other process writes meanwhile may come out in part: the bytes
    /// are a snapshot that has to be checked, and nothing else.
    ///
    /// # Panics
    /// If `length` is larger than the capacity.
    #[inline]
    pub(crate) fn copy_out(&self, position: u64, length: usize, buffer: &mut Vec<u8>) {
        let range = self.range(position, length);
        buffer.reserve(length);
        let end = buffer.len();
        // SAFETY: the range is mapped, and the buffer has room for `length` bytes behind its end, which then are initialized;
        // it is memory of this process's own, so the two cannot overlap. Every bit pattern is a valid byte.
        unsafe {
            buffer.as_mut_ptr().add(end).copy_from_nonoverlapping(range.as_ptr(), length);
            buffer.set_len(end + length);
        }
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `map` and nothing borrows from it any more. A failure leaves the mapping behind
        // and harms nothing else.
        let _ = unsafe { munmap(self.base, self.layout.mapping().get()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout { fixed: NonZeroUsize::new(64 << 10).expect("not zero"), ring: 128 << 10 };

    #[test]
    fn what_goes_past_the_end_of_the_ring_continues_at_its_start() {
        let (ours, fd) = MemoryFile::create(c"test", LAYOUT, Access::ReadOnly).unwrap();
        let theirs = MemoryFile::open(&fd, LAYOUT, Access::ReadOnly).unwrap();
        let position = 7 * (128 << 10) - 2;
        ours.copy_in(position, b"four");
        let mut read = b"the ".to_vec();
        theirs.copy_out(position, 4, &mut read);
        assert_eq!(read, b"the four");
        let mut start = Vec::new();
        theirs.copy_out(0, 2, &mut start);
        assert_eq!(start, b"ur");
    }

    #[test]
    fn the_other_process_can_neither_write_nor_shrink_a_file_that_it_may_only_read() {
        let (_ours, fd) = MemoryFile::create(c"test", LAYOUT, Access::ReadOnly).unwrap();
        assert!(MemoryFile::open(&fd, LAYOUT, Access::ReadWrite).is_err());
        assert!(nix::unistd::write(&fd, b"x").is_err());
        assert!(ftruncate(&fd, 0).is_err());
    }

    #[test]
    fn a_file_that_nobody_sealed_or_that_is_too_small_is_refused() {
        let file = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        assert!(MemoryFile::open(&file, LAYOUT, Access::ReadOnly).is_err());
        let small = Layout { ring: 64 << 10, ..LAYOUT };
        let (_ours, fd) = MemoryFile::create(c"test", small, Access::ReadWrite).unwrap();
        assert!(MemoryFile::open(&fd, LAYOUT, Access::ReadWrite).is_err());
    }
}
