//! Creation of files.

use std::{
    io,
    num::NonZeroUsize,
    os::fd::{AsFd, OwnedFd},
    slice,
};

use nix::{
    errno::Errno,
    sys::{
        memfd::{MFdFlags, memfd_create},
        mman::{MapFlags, MmapAdvise, ProtFlags, mmap_anonymous, munmap},
        resource::{Resource, getrlimit},
    },
    unistd::{ftruncate, write},
};

use super::mapping::Mapping;

/// Creates an empty file.
pub(super) fn create() -> io::Result<OwnedFd> {
    Ok(memfd_create(c"runner-payload", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?)
}

/// Has `fill` write `length` bytes, which are the whole file. They are zero before.
pub(super) fn fill(fd: &OwnedFd, length: usize, fill: impl FnOnce(&mut [u8])) -> io::Result<()> {
    allocate(fd, length)?;
    let mut mapping = WritableMapping::new(fd, length)?;
    fill(mapping.bytes());
    // A file with a writable mapping cannot be sealed.
    drop(mapping);
    Ok(())
}

/// Writes bytes at the position of a file, which is not larger than the file size limit.
pub(super) fn write_all(fd: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match write(&fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Sets the length of an empty file, after checks that this process may have that much.
pub(super) fn allocate(fd: impl AsFd, length: usize) -> io::Result<()> {
    let size = i64::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
    check_allocation(length)?;
    check_size(length)?;
    Ok(ftruncate(fd, size)?)
}

/// Checks that the system would allocate that much private memory. It does not check the size of a file, so
/// that filling one that is larger than all memory would end in kills of processes.
fn check_allocation(length: usize) -> io::Result<()> {
    let length = NonZeroUsize::new(length).ok_or(io::ErrorKind::InvalidInput)?;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping at an address chosen by the kernel overlaps no other.
    let probe = unsafe { mmap_anonymous(None, length, protection, MapFlags::MAP_PRIVATE) }?;
    // SAFETY: the range is the mapping that was just made, which has no user.
    unsafe { munmap(probe, length.get()) }?;
    Ok(())
}

/// Checks the file size limit. The system would send a signal, which kills a process that does not ignore it.
pub(super) fn check_size(length: usize) -> io::Result<()> {
    let (limit, _) = getrlimit(Resource::RLIMIT_FSIZE)?;
    if length as u64 > limit { Err(Errno::EFBIG.into()) } else { Ok(()) }
}

/// A writable mapping of a whole file that has no other user yet.
struct WritableMapping(Mapping);

impl WritableMapping {
    fn new(fd: &OwnedFd, length: usize) -> io::Result<WritableMapping> {
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // Mapping all pages at once takes less time than a fault for each.
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_POPULATE;
        let mapping = Mapping::of_file(fd, length, protection, flags)?;
        // While a child that another thread forks had this mapping, too, the file could not be sealed.
        if !mapping.advise(length, MmapAdvise::MADV_DONTFORK) {
            return Err(io::Error::last_os_error());
        }
        Ok(WritableMapping(mapping))
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the range is mapped until `self` is dropped; the file was just created with this length,
        // and no other process, thread or mapping has access to it.
        unsafe { slice::from_raw_parts_mut(self.0.start().as_ptr(), self.0.length()) }
    }
}
