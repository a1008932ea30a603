//! Bytes in a sealed anonymous file, passed to another process by descriptor.

use std::{
    io,
    num::NonZeroUsize,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    ptr::NonNull,
    slice,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::{
        memfd::{MFdFlags, memfd_create},
        mman::{MapFlags, ProtFlags, mmap, munmap},
        stat::fstat,
    },
    unistd::write,
};

/// Seals without which the contents of a file may change.
const REQUIRED_SEALS: SealFlag = SealFlag::F_SEAL_WRITE.union(SealFlag::F_SEAL_SHRINK);

/// A file that is sealed against all changes, mapped into memory.
#[derive(Debug)]
pub struct Payload {
    fd: OwnedFd,
    start: NonNull<u8>,
    length: NonZeroUsize,
}

// SAFETY: the mapping is owned by this value until it is dropped, and only ever read.
unsafe impl Send for Payload {}
// SAFETY: as above.
unsafe impl Sync for Payload {}

impl Payload {
    /// Creates a file from `parts`, in order; each is copied once.
    ///
    /// # Errors
    /// The parts are empty, the system is out of memory or descriptors, or the file size limit is exceeded.
    pub fn create(parts: &[&[u8]]) -> io::Result<Payload> {
        let fd = memfd_create(c"runner-payload", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        let mut length = 0;
        for part in parts {
            write_all(&fd, part)?;
            length += part.len();
        }
        let seals = REQUIRED_SEALS | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&fd, FcntlArg::F_ADD_SEALS(seals))?;
        Payload::map(fd, length, MapFlags::empty())
    }

    /// Opens a file of `length` bytes that another process created.
    ///
    /// # Errors
    /// The file is not sealed or has another length, or there is no memory for it
    /// ([`OutOfMemory`](io::ErrorKind::OutOfMemory)).
    pub fn open(fd: OwnedFd, length: usize) -> io::Result<Payload> {
        // Files of other kinds may not support seals; then the call fails.
        let seals = fcntl(&fd, FcntlArg::F_GET_SEALS).map_or(SealFlag::empty(), SealFlag::from_bits_retain);
        let is_sealed = seals.contains(REQUIRED_SEALS);
        if !is_sealed || usize::try_from(fstat(&fd)?.st_size).ok() != Some(length) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // All of it is about to be read.
        Payload::map(fd, length, MapFlags::MAP_POPULATE)
    }

    fn map(fd: OwnedFd, length: usize, flags: MapFlags) -> io::Result<Payload> {
        let length = NonZeroUsize::new(length).ok_or(io::ErrorKind::InvalidInput)?;
        // Private, because kernels before 6.7 refuse shared mappings of a file that is sealed against
        // writing.
        let flags = flags | MapFlags::MAP_PRIVATE;
        // SAFETY: a new mapping at an address chosen by the kernel overlaps no other. The file has that many
        // bytes and, being sealed, keeps them.
        let start = unsafe { mmap(None, length, ProtFlags::PROT_READ, flags, &fd, 0) }?;
        Ok(Payload { fd, start: start.cast(), length })
    }

    /// Returns the bytes.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the range is mapped until `self` is dropped, and no process can write to the file, which is
        // sealed, or to the mapping, which is read-only.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length.get()) }
    }
}

impl AsFd for Payload {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `map` and is not borrowed any more. A failure leaks the mapping and
        // has no other effect.
        let _ = unsafe { munmap(self.start.cast(), self.length.get()) };
    }
}

fn write_all(fd: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match write(fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::ftruncate;

    #[test]
    fn opened_payload_has_the_bytes_and_is_immutable() {
        let sent = Payload::create(&[b"one ", b"", b"two"]).unwrap();
        assert_eq!(sent.bytes(), b"one two");
        let fd = sent.as_fd().try_clone_to_owned().unwrap();
        assert!(write(&fd, b"x").is_err() && ftruncate(&fd, 3).is_err() && ftruncate(&fd, 9).is_err());
        drop(sent);
        assert_eq!(Payload::open(fd, 7).unwrap().bytes(), b"one two");
    }

    #[test]
    fn rejects_unsealed_files_and_other_lengths() {
        let sealed = || Payload::create(&[b"seven !"]).unwrap().as_fd().try_clone_to_owned().unwrap();
        assert!(Payload::open(sealed(), 6).is_err() && Payload::open(sealed(), 8).is_err());
        assert!(Payload::create(&[]).is_err());
        let open = memfd_create(c"test", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap();
        write_all(&open, b"seven !").unwrap();
        assert!(Payload::open(open, 7).is_err(), "the file is not sealed");
        let null = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        assert!(Payload::open(null, 7).is_err());
    }
}
