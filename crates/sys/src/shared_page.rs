//! Memory shared between the parent and one worker.
//!
//! There are two files, by who writes. The parent's holds the jobs, in a ring, and what the parent asks of the worker; it is
//! sealed after the parent has mapped it, so that the worker can only read it. The worker's holds the outcomes, in a ring, and
//! what the worker publishes: which job of which batch it is in, so that after its death exactly that job is charged, the
//! outcomes that it has finished and not sent, so that they survive it, and what it spends its time on. The parent trusts
//! nothing in the worker's file.
//!
//! The worker inherits one descriptor, of a [`Doorbell`], with which it receives those of the files. Neither side can shrink
//! them under the other's feet, and a copy of the worker that a job forks does not have them at all: it cannot become a second
//! worker.
//!
//! A page can do without the rings, where jobs and outcomes travel in another way: its files are smaller then.

mod layout;
mod ring;
mod words;

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr,
    sync::atomic::{AtomicPtr, AtomicU32, Ordering},
};

use job::{BatchId, MonotonicInstant, ProgramStats};

use crate::{
    barrier,
    call::CallError,
    doorbell::{self, Doorbell},
    memory_file::{Access, MemoryFile},
    pipe::above_streams,
    stage_timer::StageTimer,
};
use layout::{ARENA_START, Layouts, WITH_RINGS, WITHOUT_RINGS, layouts_of};
use words::{Cells, Orders, from_place, low_half, place};

pub use ring::RingMemory;

/// Outcomes that a worker had finished and not sent when it died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedOutcomes {
    batch: u32,
    /// The place in its batch of the job whose outcome comes first.
    pub from: u32,
    /// The outcomes, as they would have stood in their batch.
    pub bytes: Vec<u8>,
}

impl SavedOutcomes {
    /// Whether the outcomes belong to this batch.
    #[must_use]
    pub fn is_of(&self, batch: BatchId) -> bool {
        self.batch == low_half(batch)
    }
}

/// The job that a worker is in, as it published it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    batch: u32,
    /// The job's place in its batch.
    pub index: u32,
    /// When it started; meaningful only if the batch was sent as timed.
    pub since: MonotonicInstant,
}

impl Running {
    /// Whether the job belongs to this batch.
    #[must_use]
    pub fn is_in(&self, batch: BatchId) -> bool {
        self.batch == low_half(batch)
    }
}

/// One side's view of the shared memory.
#[derive(Debug)]
pub struct SharedPage {
    requests: MemoryFile,
    replies: MemoryFile,
    door: Doorbell,
    /// Whether this process, a worker, passes barriers that its parent asks for.
    is_registered: bool,
}

/// The page of this process, if it is a worker.
static CURRENT: AtomicPtr<SharedPage> = AtomicPtr::new(ptr::null_mut());

/// Makes this the page of this process, a worker.
pub fn set_current(page: &'static SharedPage) {
    CURRENT.store(ptr::from_ref(page).cast_mut(), Ordering::Release);
}

/// Returns the page of this process, if it is a worker.
#[must_use]
pub fn current() -> Option<&'static SharedPage> {
    // SAFETY: a pointer that is not null came from a reference that lives for ever.
    unsafe { CURRENT.load(Ordering::Acquire).as_ref() }
}

impl SharedPage {
    /// Makes fresh memory and the descriptor with which a worker can [open](SharedPage::open) it.
    ///
    /// # Errors
    /// When the system has no memory, descriptors or mappings left.
    pub fn create() -> Result<(SharedPage, OwnedFd), CallError> {
        SharedPage::of_layouts(WITH_RINGS)
    }

    /// The same without rings, which needs files of 64 KiB only.
    ///
    /// # Errors
    /// When the system has no memory, descriptors or mappings left.
    pub fn create_without_rings() -> Result<(SharedPage, OwnedFd), CallError> {
        SharedPage::of_layouts(WITHOUT_RINGS)
    }

    /// Checks whether there can be files of the size that [`SharedPage::create`] needs.
    ///
    /// # Errors
    /// When the system refuses them, for example because of a limit on the size of files.
    pub fn check() -> Result<(), CallError> {
        MemoryFile::create_file(c"runner-check", WITH_RINGS.replies).map(drop)
    }

    fn of_layouts(layouts: Layouts) -> Result<(SharedPage, OwnedFd), CallError> {
        let (requests, request_fd) =
            MemoryFile::create(c"runner-requests", layouts.requests, Access::ReadOnly)?;
        let (replies, reply_fd) = MemoryFile::create(c"runner-replies", layouts.replies, Access::ReadWrite)?;
        let (door, theirs) = Doorbell::pair()?;
        door.send(&[request_fd.as_fd(), reply_fd.as_fd()])?;
        let theirs = above_streams(theirs.into()).map_err(|e| CallError::new("fcntl(F_DUPFD_CLOEXEC)", e))?;
        Ok((SharedPage { requests, replies, door, is_registered: false }, theirs))
    }

    /// Opens the memory that the parent made.
    ///
    /// # Errors
    /// When the descriptor is not one that [`SharedPage::create`] made.
    pub fn open(fd: OwnedFd) -> io::Result<SharedPage> {
        let door = Doorbell::from(fd);
        let received = door.receive().map_err(io::Error::other)?;
        let [requests, replies]: [OwnedFd; 2] =
            received.try_into().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let layouts = layouts_of(&requests, &replies).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(SharedPage {
            requests: MemoryFile::open(&requests, layouts.requests, Access::ReadOnly)?,
            replies: MemoryFile::open(&replies, layouts.replies, Access::ReadWrite)?,
            door,
            is_registered: barrier::register(),
        })
    }

    /// Whether the descriptor of this number is one with which a page can be [opened](SharedPage::open).
    #[must_use]
    pub fn is_at(number: RawFd) -> bool {
        // SAFETY: asking for flags touches no memory.
        if number <= libc::STDERR_FILENO || unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
            return false;
        }
        // SAFETY: it is open, and none of the standard library's.
        let files = doorbell::peek(unsafe { BorrowedFd::borrow_raw(number) }).unwrap_or_default();
        matches!(&files[..], [requests, replies] if layouts_of(requests, replies).is_some())
    }

    /// Opens the page with the descriptor that this process has inherited under this number. A descriptor that is no page's is
    /// left alone.
    ///
    /// # Errors
    /// When the number is not that of a page's descriptor, or the page was opened before.
    pub fn adopt(number: RawFd) -> io::Result<SharedPage> {
        if !SharedPage::is_at(number) {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        // SAFETY: a page's descriptor is inherited for this purpose only, so nobody else owns it.
        SharedPage::open(unsafe { OwnedFd::from_raw_fd(number) })
    }

    #[inline]
    fn orders(&self) -> &Orders {
        // SAFETY: the file is mapped until `self` is dropped, page-aligned, larger than `Orders`, starts out as zeros, which are
        // valid orders, and is only ever accessed through atomics, by both sides; the worker, which cannot write to it, only
        // loads.
        unsafe { self.requests.fixed().cast().as_ref() }
    }

    #[inline]
    fn cells(&self) -> &Cells {
        // SAFETY: as above, for the worker's file, to which both sides may write.
        unsafe { self.replies.fixed().cast().as_ref() }
    }

    /// The ring of jobs, from the parent to the worker.
    #[must_use]
    #[inline]
    pub fn requests(&self) -> RingMemory<'_> {
        let (orders, cells) = (self.orders(), self.cells());
        RingMemory {
            head: &orders.request_head.0,
            tail: &cells.request_tail.0,
            reader_asleep: &cells.request_reader_asleep.0,
            writer_asleep: &orders.request_writer_asleep.0,
            memory: &self.requests,
        }
    }

    /// The ring of outcomes, from the worker to the parent.
    #[must_use]
    #[inline]
    pub fn replies(&self) -> RingMemory<'_> {
        let (orders, cells) = (self.orders(), self.cells());
        RingMemory {
            head: &cells.reply_head.0,
            tail: &orders.reply_tail.0,
            reader_asleep: &orders.reply_reader_asleep.0,
            writer_asleep: &cells.reply_writer_asleep.0,
            memory: &self.replies,
        }
    }

    /// This side's end of what wakes the other one.
    #[must_use]
    pub fn door(&self) -> &Doorbell {
        &self.door
    }

    /// The parent will send no more jobs: a worker that has nothing left leaves.
    pub fn close(&self) {
        self.orders().closed.store(true, Ordering::SeqCst);
        self.door.ring();
    }

    /// Whether the parent has [closed](SharedPage::close) the ring of jobs.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.orders().closed.load(Ordering::SeqCst)
    }

    /// What the worker spends its time on.
    #[must_use]
    #[inline]
    pub fn lane(&self) -> &StageTimer {
        &self.cells().lane
    }

    /// The worker enters a job; `since` is its start, for jobs with a time limit. Whether it [may](SharedPage::may_go_on) it has to
    /// ask afterwards.
    #[inline]
    pub fn enter(&self, batch: BatchId, index: u32, since: Option<MonotonicInstant>) {
        let cells = self.cells();
        if let Some(since) = since {
            // Before `running`: a reader in between sees the previous job with a later start, never an earlier one.
            cells.since.store(since.0, Ordering::Release);
        }
        cells.running.store(place(batch, index), Ordering::Release);
        barrier::light(self.is_registered);
    }

    /// The worker begins with a job ahead of its turn. Whether it [may](SharedPage::may_go_on) it has to ask afterwards.
    pub fn enter_ahead(&self, batch: BatchId, index: u32) {
        self.cells().ahead.store(place(batch, index), Ordering::Release);
        barrier::light(self.is_registered);
    }

    /// The worker does not run the job that it has entered, but is still after the one before it, if there is one.
    pub fn step_back(&self, batch: BatchId, index: u32) {
        let before = index.checked_sub(1).map_or(0, |before| place(batch, before));
        self.cells().running.store(before, Ordering::Release);
    }

    /// The running job counts as started anew.
    pub fn renew(&self, since: MonotonicInstant) {
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
    pub fn programs(&self) -> ProgramStats {
        let read = |count: &AtomicU32| count.load(Ordering::Relaxed);
        let (started, replaced) = (read(&self.cells().programs), read(&self.cells().programs_replaced));
        ProgramStats { started, replaced, crashed: 0 }
    }

    /// The worker got no memory.
    pub fn note_alloc_failure(&self) {
        let cells = self.cells();
        cells.starved.store(cells.running.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    /// Whether the worker got no memory in the job that it is in, or was in when it died; or between two jobs, if it is
    /// in none.
    #[must_use]
    pub fn alloc_failed(&self) -> bool {
        let running = self.cells().running.load(Ordering::Acquire);
        self.cells().starved.load(Ordering::Acquire) == running.wrapping_add(1)
    }

    /// The worker is between batches.
    pub fn leave(&self) {
        self.cells().running.store(0, Ordering::Release);
    }

    /// The job that the worker is in, or was in when it died.
    #[must_use]
    pub fn running(&self) -> Option<Running> {
        let cells = self.cells();
        let (batch, index) = from_place(cells.running.load(Ordering::Acquire))?;
        let since = MonotonicInstant(cells.since.load(Ordering::Acquire));
        Some(Running { batch, index, since })
    }

    /// How many bytes of outcomes can be kept.
    #[inline]
    fn arena_size(&self) -> usize {
        self.replies.fixed_size() - ARENA_START
    }

    /// The worker keeps more of a batch's outcomes, behind the `before` bytes that it has kept of it; `false` if there is
    /// no room for them.
    #[must_use]
    #[inline]
    pub fn keep(&self, batch: BatchId, before: usize, outcome: &[u8]) -> bool {
        let Some(end) = before.checked_add(outcome.len()).filter(|&end| end <= self.arena_size()) else {
            return false;
        };
        // SAFETY: the range lies within the mapping, behind the cells, and nobody reads it before the store below says
        // that it is there. `outcome` is memory of this process's own, so the two cannot overlap.
        unsafe {
            let arena = self.replies.fixed().as_ptr().add(ARENA_START);
            arena.add(before).copy_from_nonoverlapping(outcome.as_ptr(), outcome.len());
        }
        self.cells().kept.store((u64::from(low_half(batch)) << 32) | end as u64, Ordering::Release);
        true
    }

    /// The worker has sent what it kept; the next outcome that it keeps is that of the job at this place.
    pub fn keep_from(&self, place: u32) {
        self.cells().kept.store(0, Ordering::Release);
        self.cells().kept_from.store(place, Ordering::Release);
    }

    /// What a worker that is dead had kept.
    #[must_use]
    pub fn kept(&self) -> Option<SavedOutcomes> {
        let word = self.cells().kept.load(Ordering::Acquire);
        let length = usize::try_from(word & u64::from(u32::MAX)).ok()?;
        if length == 0 || length > self.arena_size() {
            return None;
        }
        let mut bytes = vec![0; length];
        // SAFETY: the range lies within the mapping, behind the cells, and the worker that wrote it is dead.
        unsafe {
            let arena = self.replies.fixed().as_ptr().add(ARENA_START);
            bytes.as_mut_ptr().copy_from_nonoverlapping(arena, length);
        }
        Some(SavedOutcomes {
            batch: u32::try_from(word >> 32).ok()?,
            from: self.cells().kept_from.load(Ordering::Acquire),
            bytes,
        })
    }

    /// The parent says whether the worker may use up a core for a moment while it waits for jobs.
    pub fn set_may_spin(&self, calm: bool) {
        self.orders().calm.store(calm, Ordering::Relaxed);
    }

    /// Whether the worker may do so.
    #[must_use]
    pub fn may_spin(&self) -> bool {
        self.orders().calm.load(Ordering::Relaxed)
    }

    /// The parent asks the worker to begin with no further job of batches with smaller numbers. Returns the last job that it has
    /// begun with, if it is in one: it begins with no later one of these batches.
    pub fn recall(&self, below: BatchId) -> Option<Running> {
        self.orders().recalled.store(below.0, Ordering::Release);
        barrier::for_all();
        let running = self.running()?;
        let ahead = from_place(self.cells().ahead.load(Ordering::Acquire));
        let index = ahead.filter(|(batch, _)| *batch == running.batch).map_or(0, |(_, index)| index);
        Some(Running { index: running.index.max(index), ..running })
    }

    /// Whether the worker may begin with jobs of this batch: the parent has neither [halted](SharedPage::halt) it nor
    /// [called back](SharedPage::recall) the batch.
    #[must_use]
    #[inline]
    pub fn may_go_on(&self, batch: BatchId) -> bool {
        !self.is_halted() && batch.0 >= self.orders().recalled.load(Ordering::Acquire)
    }

    /// The parent asks the worker to run no further job of the batches it has.
    pub fn halt(&self) {
        self.orders().halted.store(true, Ordering::Release);
    }

    /// Whether the parent has asked to [halt](SharedPage::halt).
    #[must_use]
    #[inline]
    pub fn is_halted(&self) -> bool {
        self.orders().halted.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests;
