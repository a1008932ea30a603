//! Shared memory between the parent and one worker.
//!
//! There are two files, one per writer. The parent's file holds the ring of jobs and the parent's control
//! words. It is sealed after the parent has mapped it, so the worker can only read it. The worker's file
//! holds the ring of outcomes and the worker's progress:
//!
//! - the batch and index of the running job, so that exactly this job is charged with the worker's death,
//! - finished outcomes that are not sent yet, so that they survive the worker, and need not wait for a long
//!   job of their batch,
//! - the time spent per stage.
//!
//! The parent treats everything in the worker's file as untrusted.
//!
//! The worker inherits one descriptor, that of a [`Doorbell`], through which it receives the descriptors of
//! both files. Neither side can shrink a file that the other has mapped. A process that a job forks from the
//! worker does not inherit the mappings, so it cannot act as a second worker.
//!
//! A page can be created without rings when jobs and outcomes use another transport; its files are smaller.

mod files;
mod layout;
mod progress;
mod ring;
mod saved;
mod words;

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr,
    sync::atomic::{AtomicPtr, AtomicU32, Ordering},
};

use job::ProgramStats;

use crate::{
    barrier,
    call::CallError,
    doorbell::{self, Doorbell},
    memory_file::{Access, MemoryFile},
    pipe::above_streams,
    stage_timer::StageTimer,
};
use layout::{Layouts, WITH_RINGS, WITHOUT_RINGS, layouts_of};
use words::{ParentWords, WorkerWords};

pub use progress::Running;
pub use ring::RingMemory;
pub use saved::SavedOutcomes;

/// One side's view of the shared memory.
#[derive(Debug)]
pub struct SharedPage {
    requests: MemoryFile,
    replies: MemoryFile,
    door: Doorbell,
    /// True in a worker whose kernel accepted the registration for its parent's memory barriers.
    is_registered: bool,
}

/// The page of this process if it is a worker, else null.
static CURRENT: AtomicPtr<SharedPage> = AtomicPtr::new(ptr::null_mut());

/// Sets the page of this process, which is a worker.
pub fn set_current(page: &'static SharedPage) {
    CURRENT.store(ptr::from_ref(page).cast_mut(), Ordering::Release);
}

/// Returns the page of this process; `None` if it is not a worker.
#[must_use]
pub fn current() -> Option<&'static SharedPage> {
    // SAFETY: a pointer that is not null was made from a `'static` reference.
    unsafe { CURRENT.load(Ordering::Acquire).as_ref() }
}

impl SharedPage {
    /// Creates the shared memory, and the descriptor with which a worker can [open](SharedPage::open) it.
    ///
    /// # Errors
    /// The system is out of memory, descriptors or mappings.
    pub fn create() -> Result<(SharedPage, OwnedFd), CallError> {
        SharedPage::with_layouts(WITH_RINGS)
    }

    /// Creates a page without rings, whose files are 64 KiB each.
    ///
    /// # Errors
    /// The system is out of memory, descriptors or mappings.
    pub fn create_without_rings() -> Result<(SharedPage, OwnedFd), CallError> {
        SharedPage::with_layouts(WITHOUT_RINGS)
    }

    /// Checks that files of the size that [`SharedPage::create`] needs can be created.
    ///
    /// # Errors
    /// The system refuses such a file, for example because of `RLIMIT_FSIZE`.
    pub fn check() -> Result<(), CallError> {
        MemoryFile::create_file(c"runner-check", WITH_RINGS.replies).map(drop)
    }

    fn with_layouts(layouts: Layouts) -> Result<(SharedPage, OwnedFd), CallError> {
        let (requests, request_fd) =
            MemoryFile::create(c"runner-requests", layouts.requests, Access::ReadOnly)?;
        let (replies, reply_fd) = MemoryFile::create(c"runner-replies", layouts.replies, Access::ReadWrite)?;
        let (door, theirs) = Doorbell::pair()?;
        door.send(&[request_fd.as_fd(), reply_fd.as_fd()])?;
        let theirs = above_streams(theirs.into()).map_err(|e| CallError::new("fcntl(F_DUPFD_CLOEXEC)", e))?;
        Ok((SharedPage { requests, replies, door, is_registered: false }, theirs))
    }

    /// Opens the memory that the parent created.
    ///
    /// # Errors
    /// The descriptor was not made by [`SharedPage::create`] or [`SharedPage::create_without_rings`].
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

    /// Returns true if a page can be [opened](SharedPage::open) with descriptor `number`. Leaves the
    /// descriptor unchanged.
    #[must_use]
    pub fn is_page_fd(number: RawFd) -> bool {
        // SAFETY: reading descriptor flags touches no memory.
        if number <= libc::STDERR_FILENO || unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
            return false;
        }
        // SAFETY: the descriptor is open and is not one of the standard streams.
        let files = doorbell::peek(unsafe { BorrowedFd::borrow_raw(number) }).unwrap_or_default();
        matches!(&files[..], [requests, replies] if layouts_of(requests, replies).is_some())
    }

    /// Opens the page with the inherited descriptor `number`, and takes ownership of it. A descriptor that
    /// does not belong to a page is not touched.
    ///
    /// # Errors
    /// The descriptor does not belong to a page, or the page was opened before.
    pub fn adopt(number: RawFd) -> io::Result<SharedPage> {
        if !SharedPage::is_page_fd(number) {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        // SAFETY: a page's descriptor is inherited for this purpose only, so it has no other owner.
        SharedPage::open(unsafe { OwnedFd::from_raw_fd(number) })
    }

    #[inline]
    fn parent_words(&self) -> &ParentWords {
        // SAFETY: the file is mapped until `self` is dropped, page-aligned, larger than `ParentWords`, starts
        // out as zeros, which are valid `ParentWords`, and is only ever accessed through atomics, by both
        // sides; the worker, which cannot write to it, only loads.
        unsafe { self.requests.fixed().cast().as_ref() }
    }

    #[inline]
    fn worker_words(&self) -> &WorkerWords {
        // SAFETY: as above, for `WorkerWords` and the worker's file, to which both sides may write.
        unsafe { self.replies.fixed().cast().as_ref() }
    }

    /// Returns the ring of jobs, from the parent to the worker.
    #[must_use]
    #[inline]
    pub fn requests(&self) -> RingMemory<'_> {
        let (parent, worker) = (self.parent_words(), self.worker_words());
        RingMemory {
            head: &parent.request_head.0,
            tail: &worker.request_tail.0,
            reader_asleep: &worker.request_reader_asleep.0,
            writer_asleep: &parent.request_writer_asleep.0,
            memory: &self.requests,
        }
    }

    /// Returns the ring of outcomes, from the worker to the parent.
    #[must_use]
    #[inline]
    pub fn replies(&self) -> RingMemory<'_> {
        let (parent, worker) = (self.parent_words(), self.worker_words());
        RingMemory {
            head: &worker.reply_head.0,
            tail: &parent.reply_tail.0,
            reader_asleep: &parent.reply_reader_asleep.0,
            writer_asleep: &worker.reply_writer_asleep.0,
            memory: &self.replies,
        }
    }

    /// Returns this side's end of the doorbell, which wakes the other side.
    #[must_use]
    pub fn doorbell(&self) -> &Doorbell {
        &self.door
    }

    /// Announces that no more jobs will be sent; the worker exits once its ring is empty. Called by the
    /// parent.
    pub fn close(&self) {
        self.parent_words().closed.store(true, Ordering::SeqCst);
        self.door.ring();
    }

    /// Returns true if the parent has [closed](SharedPage::close) the ring of jobs.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.parent_words().closed.load(Ordering::SeqCst)
    }

    /// Returns the worker's time per stage.
    #[must_use]
    #[inline]
    pub fn timer(&self) -> &StageTimer {
        &self.worker_words().stage_timer
    }

    /// Counts a program that the worker has started and reuses for several jobs.
    pub fn count_program(&self, is_replacement: bool) {
        self.worker_words().programs.fetch_add(1, Ordering::Relaxed);
        self.worker_words().programs_replaced.fetch_add(u32::from(is_replacement), Ordering::Relaxed);
    }

    /// Returns the worker's counts of programs that it has started and reused for several jobs. Crashes are
    /// not counted here; that field is 0.
    #[must_use]
    pub fn programs(&self) -> ProgramStats {
        let read = |count: &AtomicU32| count.load(Ordering::Relaxed);
        let (started, replaced) =
            (read(&self.worker_words().programs), read(&self.worker_words().programs_replaced));
        ProgramStats { started, replaced, crashed: 0 }
    }

    /// Allows or forbids the worker to poll for a short time before it blocks. Called by the parent.
    pub fn set_may_spin(&self, allowed: bool) {
        self.parent_words().may_spin.store(allowed, Ordering::Relaxed);
    }

    /// Returns true if the worker may poll for a short time before it blocks.
    #[must_use]
    pub fn may_spin(&self) -> bool {
        self.parent_words().may_spin.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
