//! A page of memory shared between the parent and one worker.
//!
//! The worker publishes which job of which frame it is in, so that after its death exactly that job is charged.
//! The parent can ask it to stop after the current job. The page lives in an anonymous file whose descriptor the
//! worker inherits; it is sealed, so that no worker can shrink it under the parent's feet.

use std::{
    ffi::c_void,
    io,
    num::NonZeroUsize,
    os::fd::{AsFd, OwnedFd},
    ptr::NonNull,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use job::{FrameId, Moment};
use nix::{
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::{
        memfd::{MFdFlags, memfd_create},
        mman::{MapFlags, ProtFlags, mmap, munmap},
    },
    unistd::ftruncate,
};

const SIZE: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// What lies at the start of the page. All of it is valid when zero.
#[repr(C)]
struct Cells {
    /// The low half of the frame's number above the job's index in it plus one; 0 between jobs.
    running: AtomicU64,
    /// When the running job started; written for jobs with a time limit only.
    since: AtomicU64,
    /// Set by the parent: run no further job of the frames at hand.
    halted: AtomicBool,
}

/// The job that a worker is in, as it published it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    frame: u32,
    /// The job's place in its frame.
    pub index: u32,
    /// When it started; meaningful only if the frame was sent as timed.
    pub since: Moment,
}

impl Running {
    /// Whether the job belongs to this frame.
    #[must_use]
    pub fn is_in(&self, frame: FrameId) -> bool {
        self.frame == low_half(frame)
    }
}

/// One side's view of the shared page.
#[derive(Debug)]
pub struct Page {
    cells: NonNull<Cells>,
}

// SAFETY: the pointer is to a mapping that this value owns until it is dropped, and all access to it goes through
// atomics.
unsafe impl Send for Page {}
// SAFETY: as above; atomics may be used from several threads at a time.
unsafe impl Sync for Page {}

impl Page {
    /// Makes a fresh page and the descriptor under which a worker can [open](Page::open) it.
    ///
    /// # Errors
    /// When the system has no memory, descriptors or mappings left.
    pub fn create() -> io::Result<(Page, OwnedFd)> {
        let fd = memfd_create(c"runner-page", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        ftruncate(&fd, 4096)?;
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&fd, FcntlArg::F_ADD_SEALS(seals))?;
        Ok((Page::map(&fd)?, fd))
    }

    /// Opens the page that the parent made.
    ///
    /// # Errors
    /// When the descriptor is not one that [`Page::create`] made.
    pub fn open(fd: &OwnedFd) -> io::Result<Page> {
        let seals = fcntl(fd, FcntlArg::F_GET_SEALS)?;
        if seals & SealFlag::F_SEAL_SHRINK.bits() == 0 || nix::sys::stat::fstat(fd)?.st_size < 4096 {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        Page::map(fd)
    }

    fn map(fd: impl AsFd) -> io::Result<Page> {
        // SAFETY: a new mapping at an address of the system's choice overlaps nothing; the file has at least SIZE
        // bytes and, being sealed, keeps them.
        let address = unsafe {
            mmap(None, SIZE, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, fd, 0)?
        };
        Ok(Page { cells: address.cast() })
    }

    fn cells(&self) -> &Cells {
        // SAFETY: the mapping is page-aligned, larger than `Cells`, readable and writable until `self` is dropped,
        // starts out as zeros, which are valid cells, and is only ever accessed through atomics, by both sides.
        unsafe { self.cells.as_ref() }
    }

    /// The worker enters a job; `since` is its start, for jobs with a time limit.
    pub fn enter(&self, frame: FrameId, index: u32, since: Option<Moment>) {
        let cells = self.cells();
        if let Some(since) = since {
            // Before `running`: a reader in between sees the previous job with a later start, never an earlier one.
            cells.since.store(since.0, Ordering::Release);
        }
        let word = (u64::from(low_half(frame)) << 32) | (u64::from(index) + 1);
        cells.running.store(word, Ordering::Release);
    }

    /// The worker is between frames.
    pub fn leave(&self) {
        self.cells().running.store(0, Ordering::Release);
    }

    /// The job that the worker is in, or was in when it died.
    #[must_use]
    pub fn running(&self) -> Option<Running> {
        let cells = self.cells();
        let word = cells.running.load(Ordering::Acquire);
        let since = Moment(cells.since.load(Ordering::Acquire));
        let index = u32::try_from(word & u64::from(u32::MAX)).ok()?.checked_sub(1)?;
        Some(Running { frame: u32::try_from(word >> 32).ok()?, index, since })
    }

    /// The parent asks the worker to run no further job of the frames it has.
    pub fn halt(&self) {
        self.cells().halted.store(true, Ordering::Release);
    }

    /// Whether the parent has asked to [halt](Page::halt).
    #[must_use]
    pub fn is_halted(&self) -> bool {
        self.cells().halted.load(Ordering::Acquire)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this size and nothing borrows from it any more. A failure
        // leaves the mapping behind and harms nothing else.
        let _ = unsafe { munmap(self.cells.cast::<c_void>(), SIZE.get()) };
    }
}

fn low_half(frame: FrameId) -> u32 {
    (frame.0 & u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_side_publishes_the_other_sees() {
        let (parent, fd) = Page::create().unwrap();
        let worker = Page::open(&fd).unwrap();
        assert_eq!(parent.running(), None);

        worker.enter(FrameId(u64::from(u32::MAX) + 8), 3, Some(Moment(42)));
        let running = parent.running().unwrap();
        assert!(running.is_in(FrameId(u64::from(u32::MAX) + 8)) && !running.is_in(FrameId(8)));
        assert_eq!((running.index, running.since), (3, Moment(42)));

        worker.leave();
        assert_eq!(parent.running(), None);
        parent.halt();
        assert!(worker.is_halted());
    }

    #[test]
    fn a_worker_cannot_shrink_the_page() {
        let (_page, fd) = Page::create().unwrap();
        assert!(ftruncate(&fd, 0).is_err());
    }

    #[test]
    fn a_file_that_is_no_page_is_refused() {
        let file = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        assert!(Page::open(&file).is_err());
    }
}
