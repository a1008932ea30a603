//! Takes jobs back from busy workers when other workers are idle.
//!
//! The size of a batch is based on the cost of earlier jobs. If later jobs cost more, a batch may contain
//! seconds of work while other workers are idle, or while jobs of higher priority wait. In that case the
//! batch is recalled, and its worker keeps only the job that it is running.

use std::time::Duration;

use job::{BatchId, MonotonicInstant, WorkerId};

use crate::{
    Action, BatchSize, Sched,
    fifo::Grouping,
    priority::delays_urgent_job,
    state::Mode,
    worker::{InFlight, Phase, Worker},
};

/// Time that a worker may spend on its current batch before it is recalled: several times the target run time
/// of a batch.
const RECALL_AFTER: Duration = Duration::from_millis(4);

impl Sched {
    /// Recalls jobs from workers that are overdue and have a surplus, if another worker could run these jobs
    /// now, or if they delay a job of higher priority.
    pub(crate) fn rebalance(&mut self, now: MonotonicInstant, actions: &mut Vec<Action>) {
        if !self.may_recall() {
            return;
        }
        let (is_needed, queued) = (self.has_unused_capacity(), self.queue.highest_priority());
        if !is_needed && !self.has_priorities {
            return;
        }
        let below = BatchId(self.next_batch);
        for (id, worker) in self.workers.iter_mut().filter(|(_, worker)| has_surplus(worker)) {
            if !is_needed && !delays_urgent_job(worker, queued) {
                continue;
            }
            let due = worker.since + RECALL_AFTER;
            if due > now {
                actions.push(Action::WakeAt(due));
            } else {
                worker.recalled = below;
                actions.push(Action::Recall { worker: id, below });
            }
        }
    }

    /// Requeues the jobs that a recalled worker has not started.
    pub(crate) fn taken_back(&mut self, id: WorkerId, batch: BatchId, index: u64, actions: &mut Vec<Action>) {
        // The jobs of a worker that is being killed are requeued after its death: one of them may be the
        // reason.
        let Some(worker) = self.workers.serving_mut(id) else {
            return;
        };
        let taken = worker.take_back(batch, index);
        self.reclaim(id, taken, actions);
    }

    /// Returns whether batches may be recalled: not with a fixed batch size, which is an explicit choice of
    /// the user, and not if the jobs could not be assigned again.
    fn may_recall(&self) -> bool {
        self.settings.batch_size == BatchSize::Auto
            && matches!(self.mode, Mode::Open | Mode::Closing)
            && !self.is_paused()
            && !self.is_held()
    }

    /// Returns whether an additional job would start at once.
    fn has_unused_capacity(&self) -> bool {
        let has_worker = || self.workers.values().any(Worker::is_idle) || self.has_free_slot();
        self.queue.count() == 0 && has_worker()
    }
}

/// Returns whether a worker has jobs that it was not recalled from, besides the one that it is running, and
/// no atomic group.
pub(crate) fn has_surplus(worker: &Worker) -> bool {
    let is_recalled = |batch: &&InFlight| batch.batch < worker.recalled;
    let is_atomic = |batch: &InFlight| batch.jobs.iter().any(|span| span.grouping == Grouping::Atomic);
    let not_recalled: u64 =
        worker.batches.iter().filter(|batch| !is_recalled(batch)).map(InFlight::count).sum();
    // A worker that is still running a job of a recalled batch has started none of the others.
    let running = u64::from(!worker.batches.front().is_some_and(|batch| is_recalled(&batch)));
    worker.phase == Phase::Serving && not_recalled > running && !worker.batches.iter().any(is_atomic)
}
