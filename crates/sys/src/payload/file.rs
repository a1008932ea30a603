//! Files with bytes.

use std::{
    fs::{self, OpenOptions},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    slice,
};

use nix::{
    fcntl::{FcntlArg, OFlag, SealFlag, fcntl},
    sys::{
        mman::{MapFlags, ProtFlags},
        stat::fstat,
    },
};

use super::{
    descriptors::{self, Counted},
    kept::{self, MAX_REUSED},
    mapping::Mapping,
    new_file,
    private::PrivateCopy,
    reusable::{self, ReusableFile},
};

/// Seals without which the contents of a file may change.
const REQUIRED_SEALS: SealFlag = SealFlag::F_SEAL_WRITE.union(SealFlag::F_SEAL_SHRINK);

/// Bytes in a file, mapped into memory, that do not change while this exists.
#[derive(Debug)]
pub struct Payload {
    /// `None` only while this is dropped.
    file: Option<File>,
    length: usize,
}

#[derive(Debug)]
pub(super) enum File {
    /// Sealed against all changes; or another process's reusable file, which that process does not change
    /// while it is open here.
    Constant(OwnedFd, Mapping, Counted),
    /// A file of this process that will be used again.
    Reusable(ReusableFile),
}

/// A file that another process has sent.
#[derive(Debug)]
pub enum Received {
    /// Its contents cannot change.
    Sealed(Payload),
    /// The other process can change its contents at any time.
    Changeable(ChangeableFile),
}

/// A file of another process that can change its contents at any time: to be copied before use.
#[derive(Debug)]
pub struct ChangeableFile {
    fd: OwnedFd,
    length: usize,
    _counted: Counted,
}

impl ChangeableFile {
    /// Copies the bytes as they are now. Those that change meanwhile are copied before or after that.
    ///
    /// # Errors
    /// The system is out of memory or mappings, or the file has become shorter.
    pub fn read(&self) -> io::Result<PrivateCopy> {
        PrivateCopy::read(&self.fd, self.length)
    }

    /// Length in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }
}

impl Payload {
    /// Creates a sealed file from `parts`, in order; each is copied once.
    ///
    /// # Errors
    /// The parts are empty, the system is out of memory or descriptors, or the file size limit is exceeded.
    pub fn create(parts: &[&[u8]]) -> io::Result<Payload> {
        let fd = new_file::create()?;
        let length = parts.iter().map(|part| part.len()).sum();
        new_file::check_size(length)?;
        parts.iter().try_for_each(|part| new_file::write_all(&fd, part))?;
        Payload::seal(fd, length)
    }

    /// Creates a file from a copy of `bytes`, if possible in memory that was used before. Only for processes
    /// that open it by [`open_of_process`](Payload::open_of_process) or
    /// [`receive_of_process`](Payload::receive_of_process).
    ///
    /// # Errors
    /// Those of [`create`](Payload::create); or descriptors are
    /// [scarce](super::are_descriptors_scarce), which is the error of a process without descriptors.
    pub fn copy_of(bytes: &[u8]) -> io::Result<Payload> {
        let length = bytes.len();
        if let Some(mut file) = reused(length) {
            file.write(length, |start| start.copy_from_slice(bytes));
            return Ok(Payload::reusable(file, length));
        }
        check_descriptors()?;
        if is_reusable(length) {
            match ReusableFile::with_bytes(bytes) {
                Ok(file) => return Ok(Payload::reusable(file, length)),
                Err(_) => kept::free_all(),
            }
        }
        Payload::create(&[bytes])
    }

    /// Creates a file of `length` bytes, which `fill` writes to. They are zero before. The file is like one
    /// of [`copy_of`](Payload::copy_of).
    ///
    /// # Errors
    /// The length is 0, the system is out of descriptors, or they are scarce, or it would not allocate that
    /// much memory, or the file size limit is exceeded.
    pub fn with_length(length: usize, fill: impl FnOnce(&mut [u8])) -> io::Result<Payload> {
        if let Some(mut file) = reused(length) {
            file.write(length, |bytes| {
                bytes.fill(0);
                fill(bytes);
            });
            return Ok(Payload::reusable(file, length));
        }
        check_descriptors()?;
        if is_reusable(length) {
            match ReusableFile::zeroed(length) {
                Ok(mut file) => {
                    file.write(length, fill);
                    return Ok(Payload::reusable(file, length));
                }
                Err(_) => kept::free_all(),
            }
        }
        let fd = new_file::create()?;
        new_file::fill(&fd, length, fill)?;
        Payload::seal(fd, length)
    }

    /// Opens a sealed file of `length` bytes that another process created.
    ///
    /// # Errors
    /// The file is not sealed or has another length, or there is no memory for it
    /// ([`OutOfMemory`](io::ErrorKind::OutOfMemory)).
    pub fn open(fd: OwnedFd, length: usize) -> io::Result<Payload> {
        if seals(&fd)? != Seals::Constant || size(&fd)? != Some(length) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // All of it is about to be read.
        Payload::map(fd, length, MapFlags::MAP_POPULATE)
    }

    /// Opens the file of `length` bytes that descriptor `number` of another process refers to. The process
    /// must run as the same user, and must not close the descriptor meanwhile. It is trusted not to change
    /// the contents of a reusable file.
    ///
    /// # Errors
    /// There is no such process or descriptor, this process is out of descriptors, or any error of
    /// [`open`](Payload::open).
    pub fn open_of_process(pid: u32, number: u32, length: usize) -> io::Result<Payload> {
        let (fd, _) = open_checked(pid, number, length)?;
        // Its pages are mapped when they are accessed: perhaps few are.
        Payload::map(fd, length, MapFlags::empty())
    }

    /// Like [`open_of_process`](Payload::open_of_process), for a file that the process has
    /// [opened again](Payload::reopen) and passed on.
    ///
    /// # Errors
    /// Those of [`open`](Payload::open).
    pub fn open_passed(fd: OwnedFd, length: usize) -> io::Result<Payload> {
        checked_seals(&fd, length)?;
        Payload::map(fd, length, MapFlags::empty())
    }

    /// Opens the file again, for a process that cannot do so itself. While that process has it open, it is
    /// not used again: of the descriptor of this process, the kernel would not know.
    ///
    /// # Errors
    /// This process is out of descriptors.
    pub fn reopen(&self) -> io::Result<OwnedFd> {
        Ok(OpenOptions::new().read(true).open(format!("/proc/self/fd/{}", self.number()))?.into())
    }

    /// Like [`open_of_process`](Payload::open_of_process), for a process that is not trusted.
    ///
    /// # Errors
    /// Those of [`open_of_process`](Payload::open_of_process); or the file is one that has to be copied, but
    /// has more than [`MAX_REUSED`] bytes or takes less memory than its copy would.
    pub fn receive_of_process(pid: u32, number: u32, length: usize) -> io::Result<Received> {
        Ok(match open_checked(pid, number, length)? {
            (fd, Seals::Constant) => Received::Sealed(Payload::map(fd, length, MapFlags::empty())?),
            (fd, _) if is_copyable(&fd, length)? => {
                let _counted = Counted::new();
                Received::Changeable(ChangeableFile { fd, length, _counted })
            }
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        })
    }

    /// Seals a new file against all changes.
    pub(super) fn seal(fd: OwnedFd, length: usize) -> io::Result<Payload> {
        let seals = REQUIRED_SEALS | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&fd, FcntlArg::F_ADD_SEALS(seals))?;
        Payload::map(fd, length, MapFlags::empty())
    }

    fn reusable(file: ReusableFile, length: usize) -> Payload {
        Payload { file: Some(File::Reusable(file)), length }
    }

    fn map(fd: OwnedFd, length: usize, flags: MapFlags) -> io::Result<Payload> {
        // Private, because kernels before 6.7 refuse shared mappings of a file that is sealed against
        // writing.
        let mapping = Mapping::of_file(&fd, length, ProtFlags::PROT_READ, flags | MapFlags::MAP_PRIVATE)?;
        Ok(Payload { file: Some(File::Constant(fd, mapping, Counted::new())), length })
    }

    /// Returns the bytes.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match self.file() {
            // SAFETY: the range is mapped until `self` is dropped. No process can write to the file, which is
            // sealed, or its owner does not while it is open here; nor to the mapping, which is read-only.
            File::Constant(_, mapping, _) => unsafe {
                slice::from_raw_parts(mapping.start().as_ptr(), self.length)
            },
            File::Reusable(file) => file.bytes(self.length),
        }
    }

    /// Returns a copy of the bytes that may be changed. Data of more than [`MAX_REUSED`] bytes is mapped once
    /// more instead: the system copies each page when it is first written to.
    ///
    /// # Errors
    /// The system is out of memory or mappings.
    pub fn private_copy(&self) -> io::Result<PrivateCopy> {
        if self.length <= MAX_REUSED {
            PrivateCopy::read(self.fd(), self.length)
        } else {
            PrivateCopy::map(self.fd(), self.length)
        }
    }

    /// Number of the descriptor in this process.
    #[must_use]
    pub fn number(&self) -> u32 {
        // A descriptor is not negative.
        self.fd().as_raw_fd().unsigned_abs()
    }

    /// Length in bytes.
    #[must_use]
    #[inline]
    pub fn length(&self) -> usize {
        self.length
    }

    #[inline]
    pub(super) fn file(&self) -> &File {
        self.file.as_ref().expect("a payload has a file until it is dropped")
    }

    fn fd(&self) -> &OwnedFd {
        match self.file() {
            File::Constant(fd, ..) => fd,
            File::Reusable(file) => file.fd(),
        }
    }
}

impl AsFd for Payload {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd().as_fd()
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        if let Some(File::Reusable(file)) = self.file.take() {
            kept::keep_file(file);
        }
    }
}

/// Checks that another file may be created, and frees those that are only kept if there are too many.
pub(super) fn check_descriptors() -> io::Result<()> {
    descriptors::check().or_else(|_| {
        kept::free_all();
        descriptors::check()
    })
}

/// Returns whether a file for data of this length is to be used again.
fn is_reusable(length: usize) -> bool {
    (1..=MAX_REUSED).contains(&length) && kept::is_enabled()
}

/// Returns a kept file for data of this length.
fn reused(length: usize) -> Option<ReusableFile> {
    if (1..=MAX_REUSED).contains(&length) { kept::take_file(length) } else { None }
}

/// How far the seals of a file keep its contents from changing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seals {
    /// They cannot change.
    Constant,
    /// Only the process that created the file can change them.
    Reusable,
}

fn seals(fd: &OwnedFd) -> io::Result<Seals> {
    // Files of other kinds may not support seals; then the call fails.
    let seals = SealFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GET_SEALS).unwrap_or(0));
    if seals.contains(REQUIRED_SEALS) {
        Ok(Seals::Constant)
    } else if seals.contains(reusable::SEALS) {
        Ok(Seals::Reusable)
    } else {
        Err(io::ErrorKind::InvalidInput.into())
    }
}

fn size(fd: &OwnedFd) -> io::Result<Option<usize>> {
    Ok(usize::try_from(fstat(fd)?.st_size).ok())
}

/// Returns whether a file of another process may be copied, which must not take much more memory here than
/// it does there.
fn is_copyable(fd: &OwnedFd, length: usize) -> io::Result<bool> {
    /// Unit of the number of blocks in the status of a file, in bytes.
    const BLOCK_SIZE: u64 = 512;
    let allocated = u64::try_from(fstat(fd)?.st_blocks).unwrap_or(0).saturating_mul(BLOCK_SIZE);
    Ok(length <= MAX_REUSED && allocated >= length as u64)
}

/// Opens the file that a descriptor of another process refers to, if it has seals and at least `length`
/// bytes; exactly that, if it is not reusable.
fn open_checked(pid: u32, number: u32, length: usize) -> io::Result<(OwnedFd, Seals)> {
    let path = format!("/proc/{pid}/fd/{number}");
    // Opening a device may have effects.
    if !fs::metadata(&path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    let fd = OwnedFd::from(OpenOptions::new().read(true).custom_flags(flags).open(&path)?);
    let seals = checked_seals(&fd, length)?;
    Ok((fd, seals))
}

fn checked_seals(fd: &OwnedFd, length: usize) -> io::Result<Seals> {
    let (seals, size) = (seals(fd)?, size(fd)?);
    let has_length = size == Some(length) || seals == Seals::Reusable && size >= Some(length);
    if has_length && length > 0 { Ok(seals) } else { Err(io::ErrorKind::InvalidInput.into()) }
}
