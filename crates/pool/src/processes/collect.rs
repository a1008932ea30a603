//! Outcomes that a worker has finished and saved in shared memory but not sent.
//!
//! They are read in two cases: when the worker has died, and while it runs a long job whose batch began with
//! others. In the second case three threads take part. The clock looks every few milliseconds, while a worker
//! has a batch of several jobs, whether one has been busy for long and has finished some of them
//! ([`Sched::workers_to_collect_from`](sched::Sched::workers_to_collect_from)). It marks that worker and
//! wakes the supervisor, which reads the outcomes and passes them on as if they had been received: the clock
//! itself must not call code of the program. While the supervisor is blocked, a deputy does it.
//!
//! The worker sends these outcomes nevertheless, with the rest of the batch. Reading them and handling a
//! message are both transactions, so each outcome is delivered by the one that comes first: the scheduler
//! counts what was collected since the last message, and the receiver of the next one skips that number.

use job::{BatchId, Job, JobRange, MonotonicInstant, WorkerId};
use sched::Event;
use sys::clock;
use wire::{batch::OutcomesView, transfer::ReceivedFiles};

use super::{
    block::Slice,
    incoming::Incoming,
    shared::{PoolState, ProcessShared},
    transaction::Transaction,
};

/// Saved outcomes of a batch that were not delivered.
pub(super) struct SavedBatch {
    pub(super) batch: BatchId,
    /// Number of the first outcomes that are left out: they were collected before, or sent.
    skip: usize,
    /// Number of the other outcomes.
    pub(super) count: u64,
    bytes: Vec<u8>,
}

impl SavedBatch {
    /// Returns the saved outcomes of a worker that were not delivered, if there are any.
    pub(super) fn read<J: Job>(state: &PoolState<J>, worker: WorkerId) -> Option<SavedBatch> {
        SavedBatch::read_without(state, worker, |_| 0)
    }

    /// Returns the saved outcomes of a worker that it has not sent. Some of them may have been delivered.
    pub(super) fn read_unsent<J: Job>(state: &PoolState<J>, worker: WorkerId) -> Option<SavedBatch> {
        SavedBatch::read_without(state, worker, |batch| state.sched.collected(worker, batch))
    }

    /// Returns the saved outcomes except those that were delivered and sent; `unsent` returns the number of
    /// outcomes of a batch that were delivered without.
    fn read_without<J: Job>(
        state: &PoolState<J>,
        worker: WorkerId,
        unsent: impl FnOnce(BatchId) -> u64,
    ) -> Option<SavedBatch> {
        let saved = state.workers.get(&worker)?.page.get()?.saved_outcomes()?;
        let (batch, delivered) = state.sched.find_batch(worker, |batch| saved.belongs_to(batch))?;
        // Negative if the message with the outcomes before these has not been handled.
        let skip = delivered.checked_sub(u64::from(saved.from))?.checked_sub(unsent(batch))?;
        let all = u64::from(OutcomesView::of_saved(batch, &saved.bytes)?.count);
        let count = all.checked_sub(skip).filter(|&count| count > 0)?;
        Some(SavedBatch { batch, skip: usize::try_from(skip).ok()?, count, bytes: saved.bytes })
    }

    /// Passes the outcomes to the targets of these jobs, the first ones of the batch without an outcome.
    pub(super) fn deliver<J: Job>(&self, incoming: &Incoming<'_, J>, jobs: &[Slice<J>]) {
        if let Some(view) = OutcomesView::of_saved(self.batch, &self.bytes) {
            // Outcomes with files are never saved: their files do not survive the worker.
            incoming.deliver(jobs, view.outcomes().skip(self.skip), &ReceivedFiles::default());
        }
    }
}

impl<J: Job> PoolState<J> {
    /// Plans the next collection when these jobs are sent as one batch.
    pub(super) fn plan_collection_of(&mut self, jobs: &[JobRange], shared: &ProcessShared<J>) {
        if self.collect_at.is_none() && jobs.iter().map(|range| range.count()).sum::<u64>() > 1 {
            self.plan_collection(clock::now(), shared);
        }
    }

    /// Plans the next collection if a worker may hold back outcomes until then.
    pub(super) fn plan_collection(&mut self, now: MonotonicInstant, shared: &ProcessShared<J>) {
        self.collect_at = self.sched.next_collection(now);
        if self.collect_at.is_some() {
            shared.clock_wakeup.notify_all();
        }
    }

    /// Returns whether a worker has finished jobs of its current batch whose outcomes were not delivered.
    fn holds_outcomes(&self, worker: WorkerId) -> bool {
        let page = self.workers.get(&worker).and_then(|handle| handle.page.get());
        let Some(running) = page.and_then(|page| page.running()) else { return false };
        let batch = self.sched.find_batch(worker, |batch| running.belongs_to(batch));
        batch.is_some_and(|(_, delivered)| u64::from(running.index) > delivered)
    }
}

impl<J: Job> Transaction<'_, J> {
    /// Plans the next collection, which is not done while the workers are paused.
    pub(super) fn plan_collection(&mut self) {
        self.state.plan_collection(self.now, self.shared);
    }

    /// Marks the workers whose outcomes are to be collected, and plans the next collection. Returns whether
    /// there are any. Called by the clock.
    pub(super) fn request_collections(&mut self) -> bool {
        let due = self.state.sched.workers_to_collect_from(self.now);
        let holding = due.filter(|&worker| self.state.holds_outcomes(worker));
        let handles = holding.filter_map(|worker| self.state.workers.get(&worker));
        let marked = handles.filter(|handle| handle.request_collection()).count();
        self.plan_collection();
        marked > 0
    }
}

impl<J: Job> Incoming<'_, J> {
    /// Delivers the outcomes that the worker has saved, if the clock has requested it.
    pub(super) fn collect_if_requested(&self) {
        if !self.handle.take_collection_request() {
            return;
        }
        let worker = self.handle.id;
        let mut transaction = self.time.begin_transaction(self.shared);
        let Some(saved) = SavedBatch::read(&transaction.state, worker) else { return };
        transaction.apply(Event::Collected { worker, batch: saved.batch, outcomes: saved.count });
        let jobs = transaction.commit();
        saved.deliver(self, &jobs);
        self.shared.supervisor.note_progress();
    }
}
