//! Memory shared by two processes: an anonymous file, sealed so that neither process can shrink it while the
//! other has it mapped.
//!
//! A file starts with fixed memory, followed by an optional ring. The ring is mapped twice in a row, so that
//! any range of up to its capacity is contiguous wherever it starts.

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

/// Sizes of a file's parts, in bytes. Multiples of 64 KiB, the largest page size of Linux.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Size of the fixed memory at the start.
    pub(crate) fixed: NonZeroUsize,
    /// Capacity of the ring behind the fixed memory; 0 if there is none.
    pub(crate) ring: usize,
}

impl Layout {
    const fn file(self) -> NonZeroUsize {
        self.fixed.checked_add(self.ring).expect("size of a memory file overflows")
    }

    const fn mapping(self) -> NonZeroUsize {
        self.file().checked_add(self.ring).expect("size of a memory file overflows")
    }
}

/// Access of the process that did not create a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// The other process can map it only for reading.
    ReadOnly,
    ReadWrite,
}

/// A range of a file and its offset in the mapping.
struct Segment {
    at: usize,
    offset: usize,
    length: NonZeroUsize,
}

/// A mapping of a shared file. It is not inherited by forked processes.
#[derive(Debug)]
pub(crate) struct MemoryFile {
    base: NonNull<c_void>,
    layout: Layout,
}

// SAFETY: the mapping is owned by this value until it is dropped. It is accessed through atomics or through
// the copying functions below, whose contracts say which side may write to which range.
unsafe impl Send for MemoryFile {}
// SAFETY: as above.
unsafe impl Sync for MemoryFile {}

impl MemoryFile {
    /// Creates a zeroed file and maps it. Returns the mapping and the descriptor with which the other process
    /// opens the file.
    pub(crate) fn create(
        name: &CStr,
        layout: Layout,
        other: Access,
    ) -> Result<(MemoryFile, OwnedFd), CallError> {
        let fd = MemoryFile::create_file(name, layout)?;
        let memory = MemoryFile::map(&fd, layout, Access::ReadWrite)?;
        let mut seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        if other == Access::ReadOnly {
            // Existing mappings stay writable.
            seals |= SealFlag::F_SEAL_FUTURE_WRITE;
        }
        fcntl(&fd, FcntlArg::F_ADD_SEALS(seals)).map_err(|e| CallError::new("fcntl(F_ADD_SEALS)", e))?;
        Ok((memory, fd))
    }

    /// Creates a zeroed file.
    pub(crate) fn create_file(name: &CStr, layout: Layout) -> Result<OwnedFd, CallError> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let fd = memfd_create(name, flags).map_err(|e| CallError::new("memfd_create", e))?;
        ftruncate(&fd, layout.file().get() as i64).map_err(|e| CallError::new("ftruncate", e))?;
        Ok(fd)
    }

    /// Maps a file that another process created.
    ///
    /// # Errors
    /// The descriptor is not that of a sealed file of this layout, or it cannot be mapped.
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
        // SAFETY: a new mapping at an address chosen by the kernel overlaps no other.
        let base = unsafe {
            mmap_anonymous(None, layout.mapping(), ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE)
                .map_err(failed)?
        };
        // From here on, dropping `memory` unmaps the reserved range.
        let memory = MemoryFile { base, layout };
        memory.map_part(fd, access, Segment { at: 0, offset: 0, length: layout.file() })?;
        if let Some(length) = NonZeroUsize::new(layout.ring) {
            let second = Segment { at: layout.file().get(), offset: layout.fixed.get(), length };
            memory.map_part(fd, access, second)?;
        }
        // SAFETY: the range is the mapping that was just made.
        unsafe { madvise(base, layout.mapping().get(), MmapAdvise::MADV_DONTFORK) }
            .map_err(|error| CallError::new("madvise", error))?;
        Ok(memory)
    }

    /// Maps a part of the file into the reserved range.
    fn map_part(&self, fd: impl AsFd, access: Access, part: Segment) -> Result<(), CallError> {
        let protection = match access {
            Access::ReadOnly => ProtFlags::PROT_READ,
            Access::ReadWrite => ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
        };
        let address = NonZeroUsize::new(self.base.as_ptr().addr() + part.at);
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED;
        // SAFETY: the range lies within the range that `map` has reserved and that has no other user, so
        // replacing it affects no other mapping; the file has that many bytes and, being sealed, keeps them.
        unsafe { mmap(address, part.length, protection, flags, fd, part.offset as i64) }
            .map_err(|error| CallError::new("mmap", error))?;
        Ok(())
    }

    /// Returns the start of the fixed memory.
    #[inline]
    pub(crate) fn fixed(&self) -> NonNull<u8> {
        self.base.cast()
    }

    /// Returns the size of the fixed memory, in bytes.
    #[inline]
    pub(crate) fn fixed_size(&self) -> usize {
        self.layout.fixed.get()
    }

    /// Returns the capacity of the ring, in bytes; 0 if there is none.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.layout.ring
    }

    /// Returns the start of `length` contiguous bytes of the ring. They may be read and, in a writable
    /// mapping, written.
    ///
    /// # Panics
    /// If there is no ring, or if `length` is larger than the capacity.
    #[inline]
    fn range(&self, position: u64, length: usize) -> NonNull<u8> {
        assert!(length <= self.capacity());
        let place = (position % self.capacity() as u64) as usize;
        // SAFETY: the ring is mapped twice in a row behind the fixed memory, `place` is within the first
        // copy, and `length` is not larger than one copy: the range is within the mapping.
        unsafe { self.fixed().add(self.layout.fixed.get() + place) }
    }

    /// Copies bytes into the ring. The other process may see them at any time, also before the producer has
    /// published them.
    ///
    /// # Panics
    /// If `bytes` is longer than the capacity.
    #[inline]
    pub(crate) fn copy_in(&self, position: u64, bytes: &[u8]) {
        let range = self.range(position, bytes.len());
        // SAFETY: the range is mapped; only the producer of a ring, which has a writable mapping, copies into
        // it, and from one thread at a time. `bytes` is this process's private memory, so the two cannot
        // overlap.
        unsafe { range.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
    }

    /// Appends `length` bytes of the ring to `buffer`. Bytes that the other process is writing at the same
    /// time may be copied in part: the result is a snapshot that must be validated.
    ///
    /// # Panics
    /// If `length` is larger than the capacity.
    #[inline]
    pub(crate) fn copy_out(&self, position: u64, length: usize, buffer: &mut Vec<u8>) {
        let range = self.range(position, length);
        buffer.reserve(length);
        let end = buffer.len();
        // SAFETY: the range is mapped, and the buffer has room for `length` bytes behind its end, which are
        // initialized afterwards; it is this process's private memory, so the two cannot overlap. Every bit
        // pattern is a valid byte.
        unsafe {
            buffer.as_mut_ptr().add(end).copy_from_nonoverlapping(range.as_ptr(), length);
            buffer.set_len(end + length);
        }
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `map` and is not borrowed any more. A failure leaks the mapping and
        // has no other effect.
        let _ = unsafe { munmap(self.base, self.layout.mapping().get()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout =
        Layout { fixed: NonZeroUsize::new(64 << 10).expect("size is not zero"), ring: 128 << 10 };

    #[test]
    fn ring_wraps_at_its_end() {
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
    fn read_only_file_cannot_be_written_or_shrunk() {
        let (_ours, fd) = MemoryFile::create(c"test", LAYOUT, Access::ReadOnly).unwrap();
        assert!(MemoryFile::open(&fd, LAYOUT, Access::ReadWrite).is_err());
        assert!(nix::unistd::write(&fd, b"x").is_err());
        assert!(ftruncate(&fd, 0).is_err());
    }

    #[test]
    fn rejects_unsealed_and_small_files() {
        let file = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        assert!(MemoryFile::open(&file, LAYOUT, Access::ReadOnly).is_err());
        let small = Layout { ring: 64 << 10, ..LAYOUT };
        let (_ours, fd) = MemoryFile::create(c"test", small, Access::ReadWrite).unwrap();
        assert!(MemoryFile::open(&fd, LAYOUT, Access::ReadWrite).is_err());
    }
}
