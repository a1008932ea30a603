//! The job that a worker is running, and the parent's orders to stop running jobs.

use std::sync::atomic::Ordering;

use job::{BatchId, MonotonicInstant};

use super::{
    SharedPage,
    words::{low_half, pack_position, unpack_position},
};
use crate::barrier;

/// The job that a worker is running, as published by the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    batch: u32,
    /// Index of the job in its batch.
    pub index: u32,
    /// Start of the job; meaningful only if the batch was sent as timed.
    pub since: MonotonicInstant,
}

impl Running {
    /// Returns true if the job belongs to this batch.
    #[must_use]
    pub fn belongs_to(&self, batch: BatchId) -> bool {
        self.batch == low_half(batch)
    }
}

impl SharedPage {
    /// Publishes the job that the worker is about to run. `since` is its start, for batches sent as timed.
    /// The worker must check [`may_run`](SharedPage::may_run) afterwards, before it runs the job.
    #[inline]
    pub fn begin_job(&self, batch: BatchId, index: u32, since: Option<MonotonicInstant>) {
        let words = self.worker_words();
        if let Some(since) = since {
            // Before `running`: a reader in between sees the previous job with a later start, never an
            // earlier one.
            words.since.store(since.0, Ordering::Release);
        }
        words.running.store(pack_position(batch, index), Ordering::Release);
        barrier::light(self.is_registered);
    }

    /// Publishes a job that begins ahead of its turn. The worker must check [`may_run`](SharedPage::may_run)
    /// afterwards, before it begins the job.
    pub fn begin_job_ahead(&self, batch: BatchId, index: u32) {
        self.worker_words().ahead.store(pack_position(batch, index), Ordering::Release);
        barrier::light(self.is_registered);
    }

    /// Withdraws the job that was published last and not run: the published job is again the one before it,
    /// if there is one.
    pub fn withdraw_job(&self, batch: BatchId, index: u32) {
        let before = index.checked_sub(1).map_or(0, |before| pack_position(batch, before));
        self.worker_words().running.store(before, Ordering::Release);
    }

    /// Restarts the clock of the running job at `since`.
    pub fn restart_clock(&self, since: MonotonicInstant) {
        self.worker_words().since.store(since.0, Ordering::Release);
    }

    /// Records that an allocation has failed, in the running job or between jobs.
    pub fn note_alloc_failure(&self) {
        let words = self.worker_words();
        words.alloc_failed_in.store(words.running.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    /// Returns true if an allocation failed in the job that the worker is running, or was running when it
    /// died. If it is running none, returns true if the last failed allocation was made between jobs.
    #[must_use]
    pub fn alloc_failed(&self) -> bool {
        let running = self.worker_words().running.load(Ordering::Acquire);
        self.worker_words().alloc_failed_in.load(Ordering::Acquire) == running.wrapping_add(1)
    }

    /// Publishes that the worker is between batches.
    pub fn end_batch(&self) {
        self.worker_words().running.store(0, Ordering::Release);
    }

    /// Returns the job that the worker is running, or was running when it died.
    #[must_use]
    pub fn running(&self) -> Option<Running> {
        let words = self.worker_words();
        let (batch, index) = unpack_position(words.running.load(Ordering::Acquire))?;
        let since = MonotonicInstant(words.since.load(Ordering::Acquire));
        Some(Running { batch, index, since })
    }

    /// Forbids the worker to begin further jobs of batches below `below`. Returns the last job that the
    /// worker has begun, if it is running one; it begins no later job of these batches. Called by the parent.
    pub fn recall(&self, below: BatchId) -> Option<Running> {
        self.parent_words().recalled_below.store(below.0, Ordering::Release);
        barrier::for_all();
        let running = self.running()?;
        let ahead = unpack_position(self.worker_words().ahead.load(Ordering::Acquire));
        let index = ahead.filter(|(batch, _)| *batch == running.batch).map_or(0, |(_, index)| index);
        Some(Running { index: running.index.max(index), ..running })
    }

    /// Returns true if the worker may begin jobs of this batch: the parent has neither
    /// [halted](SharedPage::halt) the worker nor [recalled](SharedPage::recall) the batch.
    #[must_use]
    #[inline]
    pub fn may_run(&self, batch: BatchId) -> bool {
        !self.is_halted() && batch.0 >= self.parent_words().recalled_below.load(Ordering::Acquire)
    }

    /// Forbids the worker to begin further jobs of the batches it has. Called by the parent.
    pub fn halt(&self) {
        self.parent_words().halted.store(true, Ordering::Release);
    }

    /// Returns true if the parent has [halted](SharedPage::halt) the worker.
    #[must_use]
    #[inline]
    pub fn is_halted(&self) -> bool {
        self.parent_words().halted.load(Ordering::Acquire)
    }
}
