//! A page of memory shared between the parent and one worker.
//!
//! The worker publishes which job of which frame it is in, so that after its death exactly that job is charged, and keeps
//! the outcomes that it has finished and not sent, so that they survive it. The parent can ask it to stop after the
//! current job. The page lives in an anonymous file whose descriptor the
//! worker inherits; it is sealed, so that no worker can shrink it under the parent's feet.

use std::{
    ffi::c_void,
    io,
    num::NonZeroUsize,
    os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr::{self, NonNull},
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering},
};

use crate::{call::CallError, lane::Lane, pipe::above_streams};
use job::{FrameId, Moment, ProgramFigures};
use nix::{
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::{
        memfd::{MFdFlags, memfd_create},
        mman::{MapFlags, ProtFlags, mmap, munmap},
    },
    unistd::ftruncate,
};

/// Where the kept outcomes begin: on a page of their own.
const ARENA_START: usize = 4096;

/// How many bytes of outcomes can be kept. Only those that are used take up memory.
pub const ARENA_SIZE: usize = 256 * 1024;

const SIZE: NonZeroUsize = NonZeroUsize::new(ARENA_START + ARENA_SIZE).expect("not zero");

/// What lies at the start of the page. All of it is valid when zero.
#[repr(C)]
struct Cells {
    /// The low half of the frame's number above the job's index in it plus one; 0 between jobs.
    running: AtomicU64,
    /// When the running job started; written for jobs with a time limit only.
    since: AtomicU64,
    /// One more than `running` was when an allocation failed; 0 if none has.
    starved: AtomicU64,
    /// The low half of a frame's number above the number of bytes that are kept of its outcomes.
    kept: AtomicU64,
    /// The place in its frame of the job whose outcome is kept first. Changed only while nothing is kept.
    kept_from: AtomicU32,
    /// Set by the parent: begin with no further job of frames below this number.
    recalled: AtomicU64,
    /// Set by the parent: run no further job of the frames at hand.
    halted: AtomicBool,
    /// Set by the parent: there are cores to spare.
    calm: AtomicBool,
    /// Number of programs that the worker has started and keeps for several jobs.
    programs: AtomicU32,
    /// Number of those that took the place of another.
    programs_replaced: AtomicU32,
    /// What the worker spends its time on; begun by the parent before there is a worker, and ended by it.
    lane: Lane,
}

/// Outcomes that a worker had finished and not sent when it died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    frame: u32,
    /// The place in its frame of the job whose outcome comes first.
    pub from: u32,
    /// The outcomes, as they would have stood in their frame.
    pub bytes: Vec<u8>,
}

impl Kept {
    /// Whether the outcomes belong to this frame.
    #[must_use]
    pub fn is_of(&self, frame: FrameId) -> bool {
        self.frame == low_half(frame)
    }
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

/// The page of this process, if it is a worker.
static CURRENT: AtomicPtr<Page> = AtomicPtr::new(ptr::null_mut());

/// Makes this the page of this process, a worker.
pub fn set_current(page: &'static Page) {
    CURRENT.store(ptr::from_ref(page).cast_mut(), Ordering::Release);
}

/// Returns the page of this process, if it is a worker.
#[must_use]
pub fn current() -> Option<&'static Page> {
    // SAFETY: a pointer that is not null came from a reference that lives for ever.
    unsafe { CURRENT.load(Ordering::Acquire).as_ref() }
}

impl Page {
    /// Makes a fresh page and the descriptor under which a worker can [open](Page::open) it.
    ///
    /// # Errors
    /// When the system has no memory, descriptors or mappings left.
    pub fn create() -> Result<(Page, OwnedFd), CallError> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let fd = memfd_create(c"runner-page", flags).map_err(|e| CallError::new("memfd_create", e))?;
        ftruncate(&fd, SIZE.get() as i64).map_err(|e| CallError::new("ftruncate", e))?;
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&fd, FcntlArg::F_ADD_SEALS(seals)).map_err(|e| CallError::new("fcntl(F_ADD_SEALS)", e))?;
        let fd = above_streams(fd).map_err(|e| CallError::new("fcntl(F_DUPFD_CLOEXEC)", e))?;
        Ok((Page::map(&fd).map_err(|e| CallError::new("mmap", e))?, fd))
    }

    /// Opens the page that the parent made.
    ///
    /// # Errors
    /// When the descriptor is not one that [`Page::create`] made.
    pub fn open(fd: impl AsFd) -> io::Result<Page> {
        let seals = fcntl(&fd, FcntlArg::F_GET_SEALS)?;
        if seals & SealFlag::F_SEAL_SHRINK.bits() == 0
            || nix::sys::stat::fstat(&fd)?.st_size < SIZE.get() as i64
        {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        Page::map(fd)
    }

    /// Opens the page whose descriptor this process has inherited under this number.
    fn open_at(number: RawFd) -> io::Result<Page> {
        // SAFETY: asking for flags touches no memory.
        if number <= libc::STDERR_FILENO || unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        // SAFETY: it is open, and none of the standard library's.
        Page::open(unsafe { BorrowedFd::borrow_raw(number) })
    }

    /// Whether the descriptor of this number is that of a page.
    #[must_use]
    pub fn is_at(number: RawFd) -> bool {
        Page::open_at(number).is_ok()
    }

    /// Opens the page whose descriptor this process has inherited under this number, and closes the
    /// descriptor. A descriptor that is no page's is left alone.
    ///
    /// # Errors
    /// When the number is not that of a page's descriptor.
    pub fn adopt(number: RawFd) -> io::Result<Page> {
        let page = Page::open_at(number)?;
        // SAFETY: a page's descriptor is inherited for this purpose only, so nobody else owns it.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
        Ok(page)
    }

    fn map(fd: impl AsFd) -> io::Result<Page> {
        // SAFETY: a new mapping at an address of the system's choice overlaps nothing; the file has at least SIZE
        // bytes and, being sealed, keeps them.
        let address = unsafe {
            mmap(None, SIZE, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, fd, 0)?
        };
        Ok(Page { cells: address.cast() })
    }

    #[inline]
    fn cells(&self) -> &Cells {
        // SAFETY: the mapping is page-aligned, larger than `Cells`, readable and writable until `self` is dropped,
        // starts out as zeros, which are valid cells, and is only ever accessed through atomics, by both sides.
        unsafe { self.cells.as_ref() }
    }

    /// What the worker spends its time on.
    #[must_use]
    #[inline]
    pub fn lane(&self) -> &Lane {
        &self.cells().lane
    }

    /// The worker enters a job; `since` is its start, for jobs with a time limit.
    #[inline]
    pub fn enter(&self, frame: FrameId, index: u32, since: Option<Moment>) {
        let cells = self.cells();
        if let Some(since) = since {
            // Before `running`: a reader in between sees the previous job with a later start, never an earlier one.
            cells.since.store(since.0, Ordering::Release);
        }
        let word = (u64::from(low_half(frame)) << 32) | (u64::from(index) + 1);
        cells.running.store(word, Ordering::Release);
    }

    /// The running job counts as started anew.
    pub fn renew(&self, since: Moment) {
        self.cells().since.store(since.0, Ordering::Release);
    }

    /// Counts a program that the worker has started and keeps for several jobs.
    pub fn note_program(&self, is_replacement: bool) {
        self.cells().programs.fetch_add(1, Ordering::Relaxed);
        self.cells().programs_replaced.fetch_add(u32::from(is_replacement), Ordering::Relaxed);
    }

    /// Counts of the programs that the worker has started and kept for several jobs, as it tells them. Of crashes it does
    /// not know.
    #[must_use]
    pub fn programs(&self) -> ProgramFigures {
        let read = |count: &AtomicU32| count.load(Ordering::Relaxed);
        let (started, replaced) = (read(&self.cells().programs), read(&self.cells().programs_replaced));
        ProgramFigures { started, replaced, crashed: 0 }
    }

    /// The worker got no memory.
    pub fn starve(&self) {
        let cells = self.cells();
        cells.starved.store(cells.running.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    /// Whether the worker got no memory in the job that it is in, or was in when it died; or between two jobs, if it is
    /// in none.
    #[must_use]
    pub fn is_starved(&self) -> bool {
        let running = self.cells().running.load(Ordering::Acquire);
        self.cells().starved.load(Ordering::Acquire) == running.wrapping_add(1)
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

    /// The worker keeps more of a frame's outcomes, behind the `before` bytes that it has kept of it; `false` if there is
    /// no room for them.
    #[must_use]
    #[inline]
    pub fn keep(&self, frame: FrameId, before: usize, outcome: &[u8]) -> bool {
        let Some(end) = before.checked_add(outcome.len()).filter(|&end| end <= ARENA_SIZE) else {
            return false;
        };
        // SAFETY: the range lies within the mapping, behind the cells, and nobody reads it before the store below says
        // that it is there. `outcome` is memory of this process's own, so the two cannot overlap.
        unsafe {
            let arena = self.cells.as_ptr().cast::<u8>().add(ARENA_START);
            arena.add(before).copy_from_nonoverlapping(outcome.as_ptr(), outcome.len());
        }
        self.cells().kept.store((u64::from(low_half(frame)) << 32) | end as u64, Ordering::Release);
        true
    }

    /// The worker has sent what it kept; the next outcome that it keeps is that of the job at this place.
    pub fn keep_from(&self, place: u32) {
        self.cells().kept.store(0, Ordering::Release);
        self.cells().kept_from.store(place, Ordering::Release);
    }

    /// What a worker that is dead had kept.
    #[must_use]
    pub fn kept(&self) -> Option<Kept> {
        let word = self.cells().kept.load(Ordering::Acquire);
        let length = usize::try_from(word & u64::from(u32::MAX)).ok()?;
        if length == 0 || length > ARENA_SIZE {
            return None;
        }
        let mut bytes = vec![0; length];
        // SAFETY: the range lies within the mapping, behind the cells, and the worker that wrote it is dead.
        unsafe {
            let arena = self.cells.as_ptr().cast::<u8>().add(ARENA_START);
            bytes.as_mut_ptr().copy_from_nonoverlapping(arena, length);
        }
        Some(Kept {
            frame: u32::try_from(word >> 32).ok()?,
            from: self.cells().kept_from.load(Ordering::Acquire),
            bytes,
        })
    }

    /// The parent says whether the worker may use up a core for a moment while it waits for jobs.
    pub fn set_calm(&self, calm: bool) {
        self.cells().calm.store(calm, Ordering::Relaxed);
    }

    /// Whether the worker may do so.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.cells().calm.load(Ordering::Relaxed)
    }

    /// The parent asks the worker to begin with no further job of frames with smaller numbers.
    pub fn recall(&self, below: FrameId) {
        self.cells().recalled.store(below.0, Ordering::Release);
    }

    /// Whether the worker may begin with jobs of this frame: the parent has neither [halted](Page::halt) it nor
    /// [called back](Page::recall) the frame.
    #[must_use]
    #[inline]
    pub fn may_go_on(&self, frame: FrameId) -> bool {
        !self.is_halted() && frame.0 >= self.cells().recalled.load(Ordering::Acquire)
    }

    /// The parent asks the worker to run no further job of the frames it has.
    pub fn halt(&self) {
        self.cells().halted.store(true, Ordering::Release);
    }

    /// Whether the parent has asked to [halt](Page::halt).
    #[must_use]
    #[inline]
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

#[inline]
fn low_half(frame: FrameId) -> u32 {
    (frame.0 & u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests;
