//! Bytes in a sealed anonymous file, passed to another process by descriptor.

use std::{
    fs::{self, OpenOptions},
    io,
    num::NonZeroUsize,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    ptr::NonNull,
    slice,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, SealFlag, fcntl},
    sys::{
        memfd::{MFdFlags, memfd_create},
        mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, munmap},
        resource::{Resource, getrlimit},
        stat::fstat,
    },
    unistd::{ftruncate, write},
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
        let mut writer = PayloadWriter::new()?;
        parts.iter().try_for_each(|part| writer.write_all(part))?;
        writer.finish()
    }

    /// Creates a file of `length` bytes, which `fill` writes to. They are zero before.
    ///
    /// # Errors
    /// The length is 0, the system is out of descriptors or would not allocate that much memory, or the file
    /// size limit is exceeded.
    pub fn with_length(length: usize, fill: impl FnOnce(&mut [u8])) -> io::Result<Payload> {
        let writer = PayloadWriter::new()?;
        let size = i64::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
        check_allocation(length)?;
        check_size(length)?;
        ftruncate(&writer.fd, size)?;
        let mut mapping = WritableMapping::new(&writer.fd, length)?;
        fill(mapping.bytes());
        // A file with a writable mapping cannot be sealed.
        drop(mapping);
        PayloadWriter { length, ..writer }.finish()
    }

    /// Opens a file of `length` bytes that another process created.
    ///
    /// # Errors
    /// The file is not sealed or has another length, or there is no memory for it
    /// ([`OutOfMemory`](io::ErrorKind::OutOfMemory)).
    pub fn open(fd: OwnedFd, length: usize) -> io::Result<Payload> {
        Payload::check(&fd, length)?;
        // All of it is about to be read.
        Payload::map(fd, length, MapFlags::MAP_POPULATE)
    }

    /// Opens the file of `length` bytes that descriptor `number` of another process refers to. The process
    /// must run as the same user, and must not close the descriptor meanwhile.
    ///
    /// # Errors
    /// There is no such process or descriptor, this process is out of descriptors, or any error of
    /// [`open`](Payload::open).
    pub fn open_of_process(pid: u32, number: u32, length: usize) -> io::Result<Payload> {
        let path = format!("/proc/{pid}/fd/{number}");
        // Opening a device may have effects.
        if !fs::metadata(&path)?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
        let fd = OwnedFd::from(OpenOptions::new().read(true).custom_flags(flags).open(&path)?);
        Payload::check(&fd, length)?;
        // Its pages are mapped when they are accessed: perhaps few are.
        Payload::map(fd, length, MapFlags::empty())
    }

    /// Checks that a file is sealed and has this length.
    fn check(fd: &OwnedFd, length: usize) -> io::Result<()> {
        // Files of other kinds may not support seals; then the call fails.
        let seals = fcntl(fd, FcntlArg::F_GET_SEALS).map_or(SealFlag::empty(), SealFlag::from_bits_retain);
        let is_sealed = seals.contains(REQUIRED_SEALS);
        if !is_sealed || usize::try_from(fstat(fd)?.st_size).ok() != Some(length) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(())
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

    /// Number of the descriptor in this process.
    #[must_use]
    pub fn number(&self) -> u32 {
        // A descriptor is not negative.
        self.fd.as_raw_fd().unsigned_abs()
    }

    /// Length in bytes.
    #[must_use]
    #[inline]
    pub fn length(&self) -> usize {
        self.length.get()
    }
}

impl Payload {
    /// Maps the file once more, as memory of this process, which may be written to: the system copies each
    /// page when it is first written to, and the file does not change.
    ///
    /// # Errors
    /// The system is out of memory or mappings.
    pub fn private_copy(&self) -> io::Result<PrivateCopy> {
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address chosen by the kernel overlaps no other. The file has that many
        // bytes and, being sealed, keeps them.
        let start = unsafe { mmap(None, self.length, protection, MapFlags::MAP_PRIVATE, &self.fd, 0) }?;
        Ok(PrivateCopy { start: start.cast(), length: self.length })
    }
}

/// A copy of a [`Payload`] in the memory of this process.
#[derive(Debug)]
pub struct PrivateCopy {
    start: NonNull<u8>,
    length: NonZeroUsize,
}

// SAFETY: the mapping is owned by this value until it is dropped; borrows of it follow those of the value.
unsafe impl Send for PrivateCopy {}
// SAFETY: as above.
unsafe impl Sync for PrivateCopy {}

impl PrivateCopy {
    /// Returns the bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the range is mapped until `self` is dropped; no other process has access to a private
        // mapping of a sealed file, and this one only through `self`.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length.get()) }
    }

    /// Returns the bytes, to be changed.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length.get()) }
    }
}

impl Drop for PrivateCopy {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `private_copy` and is not borrowed any more. A failure leaks the
        // mapping and has no other effect.
        let _ = unsafe { munmap(self.start.cast(), self.length.get()) };
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
fn check_size(length: usize) -> io::Result<()> {
    let (limit, _) = getrlimit(Resource::RLIMIT_FSIZE)?;
    if length as u64 > limit { Err(Errno::EFBIG.into()) } else { Ok(()) }
}

/// A file that is being written.
#[derive(Debug)]
pub struct PayloadWriter {
    fd: OwnedFd,
    length: usize,
}

impl PayloadWriter {
    /// Creates an empty file.
    ///
    /// # Errors
    /// The system is out of memory or descriptors.
    pub fn new() -> io::Result<PayloadWriter> {
        let fd = memfd_create(c"runner-payload", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        Ok(PayloadWriter { fd, length: 0 })
    }

    /// Appends bytes to the file.
    ///
    /// # Errors
    /// The system is out of memory, or the file size limit is exceeded.
    pub fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        check_size(self.length.saturating_add(bytes.len()))?;
        while !bytes.is_empty() {
            match write(&self.fd, bytes) {
                Ok(count) => {
                    self.length += count;
                    bytes = &bytes[count..];
                }
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Seals the file.
    ///
    /// # Errors
    /// The file is empty, or the system is out of memory or mappings.
    pub fn finish(self) -> io::Result<Payload> {
        let seals = REQUIRED_SEALS | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&self.fd, FcntlArg::F_ADD_SEALS(seals))?;
        Payload::map(self.fd, self.length, MapFlags::empty())
    }
}

/// A writable mapping of a whole file that has no other user yet.
struct WritableMapping {
    start: NonNull<u8>,
    length: NonZeroUsize,
}

impl WritableMapping {
    fn new(fd: &OwnedFd, length: usize) -> io::Result<WritableMapping> {
        let length = NonZeroUsize::new(length).ok_or(io::ErrorKind::InvalidInput)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // Mapping all pages at once takes less time than a fault for each.
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_POPULATE;
        // SAFETY: a new mapping at an address chosen by the kernel overlaps no other.
        let start = unsafe { mmap(None, length, protection, flags, fd, 0) }?;
        let mapping = WritableMapping { start: start.cast(), length };
        // While a child that another thread forks had this mapping, too, the file could not be sealed.
        // SAFETY: the range is the mapping that was just made.
        unsafe { madvise(start, length.get(), MmapAdvise::MADV_DONTFORK) }?;
        Ok(mapping)
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the range is mapped until `self` is dropped; the file was just created with this length,
        // and no other process, thread or mapping has access to it.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length.get()) }
    }
}

impl Drop for WritableMapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `new` and is not borrowed any more. A failure leaks the mapping,
        // so that the file cannot be sealed.
        let _ = unsafe { munmap(self.start.cast(), self.length.get()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut open = PayloadWriter::new().unwrap();
        open.write_all(b"seven !").unwrap();
        assert!(Payload::open(open.fd, 7).is_err(), "the file is not sealed");
        let null = OwnedFd::from(fs::File::open("/dev/null").unwrap());
        assert!(Payload::open(null, 7).is_err());
    }

    #[test]
    fn private_copy_can_be_changed_and_the_file_cannot() {
        let sent = Payload::create(&[b"one two"]).unwrap();
        let mut copy = sent.private_copy().unwrap();
        copy.bytes_mut()[0] = b'O';
        assert_eq!((copy.bytes(), sent.bytes()), (&b"One two"[..], &b"one two"[..]));
        drop(sent);
        assert_eq!(copy.bytes(), b"One two");
    }

    #[test]
    fn payload_is_filled_in_place() {
        let filled = Payload::with_length(70_000, |bytes| {
            assert!(bytes.iter().all(|&byte| byte == 0));
            bytes[69_999] = 7;
        });
        let filled = filled.unwrap();
        assert_eq!((filled.length(), filled.bytes()[69_999]), (70_000, 7));
        assert!(write(&filled, b"x").is_err());
        assert!(Payload::with_length(0, |_| {}).is_err());
        assert!(Payload::with_length(usize::MAX, |_| {}).is_err());
        assert!(Payload::with_length(usize::MAX / 2, |_| {}).is_err());
    }

    #[test]
    fn child_that_is_forked_meanwhile_does_not_keep_the_payload_from_being_sealed() {
        let mut child = None;
        let filled = Payload::with_length(70_000, |bytes| {
            bytes[0] = 7;
            // SAFETY: the child only makes a call that is async-signal-safe, until it is killed.
            match unsafe { nix::unistd::fork() }.unwrap() {
                nix::unistd::ForkResult::Child => loop {
                    nix::unistd::pause();
                },
                nix::unistd::ForkResult::Parent { child: pid } => child = Some(pid),
            }
        });
        nix::sys::signal::kill(child.unwrap(), nix::sys::signal::Signal::SIGKILL).unwrap();
        nix::sys::wait::waitpid(child, None).unwrap();
        assert_eq!(filled.unwrap().bytes()[0], 7);
    }

    #[test]
    fn opens_only_sealed_files_of_a_process() {
        let pid = std::process::id();
        let sealed = Payload::create(&[b"seven !"]).unwrap();
        let opened = Payload::open_of_process(pid, sealed.number(), 7).unwrap();
        assert_ne!(opened.number(), sealed.number());
        drop(sealed);
        assert_eq!(opened.bytes(), b"seven !");
        assert!(Payload::open_of_process(pid, opened.number(), 8).is_err());
        let mut open = PayloadWriter::new().unwrap();
        open.write_all(b"seven !").unwrap();
        let (null, pipe) = (fs::File::open("/dev/null").unwrap(), nix::unistd::pipe().unwrap());
        for number in [open.fd.as_raw_fd(), null.as_raw_fd(), pipe.0.as_raw_fd(), -1, i32::MAX] {
            assert!(Payload::open_of_process(pid, number as u32, 7).is_err(), "{number}");
        }
        assert!(Payload::open_of_process(0, opened.number(), 7).is_err());
    }
}
