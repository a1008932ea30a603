//! Files whose memory is used again for other data.
//!
//! Allocating and clearing the pages of a new file takes ten times as long as copying data into them. So a
//! process keeps a file of medium size when its data is dropped, and writes the next data into it.
//!
//! No process but the one that created the file can write to it: that one keeps a writable mapping from the
//! time before the file was sealed with `F_SEAL_FUTURE_WRITE`. And it writes only while no other process has
//! the file open or mapped. That does not depend on messages, which a process could send too early, or not at
//! all when it dies: the kernel grants a write lease (`F_SETLEASE`) only on a file that is not open
//! elsewhere, and a mapping keeps a file open. The lease is returned at once.
//!
//! - Other processes open the file by its path in `/proc`, and each counts. A descriptor that is passed
//!   through a socket would not, so these files must not be passed like that.
//! - The lease counts how often a file is open for writing. The call that creates an anonymous file is not
//!   counted, so the file is opened once more.
//! - A process that is forked shares the mapping, and must neither see a change nor make one. So a process
//!   does not write to a file again that had data when it forked, nor to one that its parent created.
//! - If another process opened the file during the lease, this one would get a signal, which by default
//!   terminates it; so it is replaced by one that is ignored by default.

use std::{
    fs::OpenOptions,
    io,
    os::fd::{AsRawFd, OwnedFd},
    process, slice,
};

use nix::{
    fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl},
    sys::mman::{MapFlags, MmapAdvise, ProtFlags},
};

use super::{descriptors::Counted, mapping::Mapping, new_file};
use crate::forks;

/// Seals of a reusable file.
pub(super) const SEALS: SealFlag =
    SealFlag::F_SEAL_FUTURE_WRITE.union(SealFlag::F_SEAL_SHRINK).union(SealFlag::F_SEAL_GROW);

/// Unit of the size of a file, in bytes.
const SIZE_UNIT: usize = 64 << 10;

/// A file of this process, which no other process can write to.
#[derive(Debug)]
pub(super) struct ReusableFile {
    fd: OwnedFd,
    /// Writable, of the whole file.
    mapping: Mapping,
    /// Number of bytes at the start that may differ from zero.
    written: usize,
    /// The process that created the file.
    process: u32,
    /// Number of forks of this process when the file was last taken.
    forks: u64,
    _counted: Counted,
}

impl ReusableFile {
    /// Creates a file with these bytes.
    ///
    /// # Errors
    /// The system is out of memory or descriptors, the file size limit is exceeded, or the system does not
    /// support leases.
    pub(super) fn with_bytes(bytes: &[u8]) -> io::Result<ReusableFile> {
        // Writing to a new file takes half of the time of writing to its mapping: pages are not cleared.
        ReusableFile::create(bytes.len(), |fd| new_file::write_all(fd, bytes))
    }

    /// Creates a file of at least `length` bytes, which are zero.
    ///
    /// # Errors
    /// Those of [`with_bytes`](ReusableFile::with_bytes).
    pub(super) fn zeroed(length: usize) -> io::Result<ReusableFile> {
        // Not by writing to the mapping: for missing memory, that would be a signal and not an error.
        let allocate = |fd: &OwnedFd| Ok(fallocate(fd, FallocateFlags::empty(), 0, length as i64)?);
        let file = ReusableFile::create(length, allocate)?;
        file.mapping.advise(length, MmapAdvise::MADV_POPULATE_WRITE);
        Ok(file)
    }

    fn create(length: usize, fill: impl FnOnce(&OwnedFd) -> io::Result<()>) -> io::Result<ReusableFile> {
        let forks = forks::count();
        let created = new_file::create()?;
        let size = size_for(length);
        new_file::allocate(&created, size)?;
        fill(&created)?;
        let path = format!("/proc/self/fd/{}", created.as_raw_fd());
        let fd = OwnedFd::from(OpenOptions::new().read(true).write(true).open(path)?);
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let mapping = Mapping::of_file(&fd, size, protection, MapFlags::MAP_SHARED)?;
        fcntl(&fd, FcntlArg::F_ADD_SEALS(SEALS | SealFlag::F_SEAL_SEAL))?;
        drop(created);
        set_lease_signal(&fd)?;
        let (process, _counted) = (process::id(), Counted::new());
        let file = ReusableFile { fd, mapping, written: length, process, forks, _counted };
        if file.is_exclusive() { Ok(file) } else { Err(io::ErrorKind::Unsupported.into()) }
    }

    /// Returns whether data of this length fits into the file, and would not waste most of it.
    pub(super) fn fits(&self, length: usize) -> bool {
        (self.size() / 2..=self.size()).contains(&length)
    }

    /// Size in bytes.
    pub(super) fn size(&self) -> usize {
        self.mapping.length()
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Returns the first `length` bytes.
    #[inline]
    pub(super) fn bytes(&self, length: usize) -> &[u8] {
        // SAFETY: the range is mapped until `self` is dropped. Only this process can write to the file, and
        // only by `write`, which has exclusive access to `self`, or before it had forked this one.
        unsafe { slice::from_raw_parts(self.mapping.start().as_ptr(), length.min(self.size())) }
    }

    /// Replaces the contents: has `write` change the first `length` bytes, and clears those behind them.
    pub(super) fn write(&mut self, length: usize, write: impl FnOnce(&mut [u8])) {
        // SAFETY: the range is mapped until `self` is dropped, and it is borrowed mutably. No other process
        // has the file open, as `take` has checked.
        let bytes = unsafe { slice::from_raw_parts_mut(self.mapping.start().as_ptr(), self.size()) };
        let (bytes, rest) = bytes.split_at_mut(length);
        write(bytes);
        if let Some(left) = self.written.checked_sub(length) {
            rest[..left].fill(0);
        }
        self.written = length;
    }

    /// Prepares a kept file for other data. Returns `false` if another process has it open.
    pub(super) fn take(&mut self) -> bool {
        self.forks = forks::count();
        self.is_exclusive()
    }

    /// Returns whether the file may be kept for other data.
    pub(super) fn may_be_kept(&self) -> bool {
        self.process == process::id() && self.forks == forks::count()
    }

    /// Returns whether no other process has the file open.
    fn is_exclusive(&self) -> bool {
        lease(&self.fd, libc::F_WRLCK) && lease(&self.fd, libc::F_UNLCK)
    }
}

/// Returns the size of a file for data of this length: at most a quarter more, so that data of similar
/// lengths uses the same files. Pages that are not written to take no memory.
fn size_for(length: usize) -> usize {
    let unit = (length.next_power_of_two() / 8).max(SIZE_UNIT);
    length.next_multiple_of(unit)
}

/// Sets or removes the lease of an open file.
fn lease(fd: &OwnedFd, kind: libc::c_int) -> bool {
    // SAFETY: the call affects only this process's descriptor of a file.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETLEASE, kind) == 0 }
}

/// Command of `fcntl` that sets the signal of a file.
const F_SETSIG: libc::c_int = 10;

/// Replaces the signal that is sent when a lease has to end.
fn set_lease_signal(fd: &OwnedFd) -> io::Result<()> {
    // SAFETY: as above.
    let result = unsafe { libc::fcntl(fd.as_raw_fd(), F_SETSIG, libc::SIGURG) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
