//! Copies in the memory of this process.

use std::{io, os::fd::OwnedFd, slice};

use nix::{
    errno::Errno,
    sys::{
        mman::{MapFlags, MmapAdvise, ProtFlags},
        uio::pread,
    },
};

use super::{kept, mapping::Mapping};

/// Unit of the size of memory, in bytes. It is that of huge pages for memory that may have some.
const SIZE_UNIT: usize = 64 << 10;
const LARGE_SIZE_UNIT: usize = 2 << 20;

/// Bytes in memory of this process, which may be changed.
#[derive(Debug)]
pub struct PrivateCopy {
    memory: Memory,
    length: usize,
}

#[derive(Debug)]
enum Memory {
    /// With no other contents than those that were written to it. `None` only while this is dropped.
    Anonymous(Option<Mapping>),
    /// Of a file whose contents do not change.
    File(Mapping),
    /// Where this process can have no more mappings.
    Heap(Vec<u8>),
}

impl PrivateCopy {
    /// Copies bytes.
    ///
    /// # Errors
    /// There are none, or the system is out of memory or mappings.
    pub fn of(bytes: &[u8]) -> io::Result<PrivateCopy> {
        let mut copy = PrivateCopy::allocate(bytes.len())?;
        copy.bytes_mut().copy_from_slice(bytes);
        Ok(copy)
    }

    /// Copies the first `length` bytes of a file, which may change meanwhile.
    pub(super) fn read(fd: &OwnedFd, length: usize) -> io::Result<PrivateCopy> {
        let mut copy = PrivateCopy::allocate(length)?;
        let mut done = 0;
        while done < length {
            match pread(fd, &mut copy.bytes_mut()[done..], done as i64) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => done += count,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(copy)
    }

    /// Maps a file whose contents do not change.
    pub(super) fn map(fd: &OwnedFd, length: usize) -> io::Result<PrivateCopy> {
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let mapping = Mapping::of_file(fd, length, protection, MapFlags::MAP_PRIVATE)?;
        Ok(PrivateCopy { memory: Memory::File(mapping), length })
    }

    /// Returns memory with any contents.
    fn allocate(length: usize) -> io::Result<PrivateCopy> {
        let mapping = match kept::take_private(length) {
            Some(kept) => kept,
            None => match map_anonymous(length) {
                Ok(mapping) => mapping,
                Err(error) => return PrivateCopy::on_heap(length).ok_or(error),
            },
        };
        Ok(PrivateCopy { memory: Memory::Anonymous(Some(mapping)), length })
    }

    /// Returns zeroed memory of the allocator, which may have some without another mapping.
    fn on_heap(length: usize) -> Option<PrivateCopy> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).ok()?;
        bytes.resize(length, 0);
        Some(PrivateCopy { memory: Memory::Heap(bytes), length })
    }

    /// Returns the bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let mapping = match &self.memory {
            Memory::Anonymous(Some(mapping)) | Memory::File(mapping) => mapping,
            Memory::Anonymous(None) => return &[],
            Memory::Heap(bytes) => return bytes,
        };
        // SAFETY: the range is mapped until `self` is dropped, and initialized; no other process has access
        // to private memory, and this one only through `self`.
        unsafe { slice::from_raw_parts(mapping.start().as_ptr(), self.length) }
    }

    /// Returns the bytes, to be changed.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let mapping = match &mut self.memory {
            Memory::Anonymous(Some(mapping)) | Memory::File(mapping) => mapping,
            Memory::Anonymous(None) => return &mut [],
            Memory::Heap(bytes) => return bytes,
        };
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { slice::from_raw_parts_mut(mapping.start().as_ptr(), self.length) }
    }
}

impl Drop for PrivateCopy {
    fn drop(&mut self) {
        if let Memory::Anonymous(mapping) = &mut self.memory
            && let Some(mapping) = mapping.take()
        {
            kept::keep_private(mapping);
        }
    }
}

/// Maps memory for data of this length.
fn map_anonymous(length: usize) -> io::Result<Mapping> {
    let unit = if length >= 2 * LARGE_SIZE_UNIT { LARGE_SIZE_UNIT } else { SIZE_UNIT };
    let mapping = Mapping::anonymous(length.checked_next_multiple_of(unit).unwrap_or(length))?;
    // Takes less time than a fault for each page.
    mapping.advise(length, MmapAdvise::MADV_POPULATE_WRITE);
    Ok(mapping)
}
