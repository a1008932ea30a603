//! Jobs that a worker has and others could do.
//!
//! Batches are sized by what earlier jobs cost. When others come, a batch may hold work for seconds, and whoever has
//! nothing to do would have to watch: so it is called back, and the worker keeps only the job that it is in.

use std::time::Duration;

use job::{BatchId, MonotonicInstant, WorkerId};

use crate::{
    Action, BatchSize, Sched,
    queue::Grouping,
    state::Mode,
    worker::{InFlight, Phase, Worker},
};

/// A worker may take so long for what it has: several times what its batches were meant to keep it busy.
const PATIENCE: Duration = Duration::from_millis(4);

impl Sched {
    /// Calls back what a worker has not begun with, if somebody else has nothing to do and it takes long.
    pub(crate) fn relieve(&mut self, now: MonotonicInstant, actions: &mut Vec<Action>) {
        if !self.has_idle_hands() {
            return;
        }
        let below = BatchId(self.next_batch);
        for (&id, worker) in self.workers.iter_mut().filter(|(_, worker)| hoards(worker)) {
            let due = worker.since + PATIENCE;
            if due > now {
                actions.push(Action::WakeAt(due));
            } else {
                worker.recalled = below;
                actions.push(Action::Recall { worker: id, below });
            }
        }
    }

    /// Gives to others what a recalled worker has not begun with.
    pub(crate) fn taken_back(&mut self, id: WorkerId, batch: BatchId, index: u64, actions: &mut Vec<Action>) {
        // The jobs of one that is being killed come back when it is dead: one of them may be the reason.
        let Some(worker) = self.workers.get_mut(&id).filter(|worker| worker.phase == Phase::Serving) else {
            return;
        };
        let taken = worker.take_back(batch, index);
        self.given_back(id, taken, actions);
    }

    /// Whether a job would be started at once that nobody has. Whoever fixes the size of batches means it.
    fn has_idle_hands(&self) -> bool {
        let hands = || self.workers.values().any(Worker::is_idle) || self.has_free_place();
        self.settings.batch_size == BatchSize::Auto
            && self.queue.count() == 0
            && matches!(self.mode, Mode::Open | Mode::Closing)
            && !self.is_paused()
            && hands()
    }
}

/// Whether a worker has jobs besides the one that it is in, none of which belong together.
fn hoards(worker: &Worker) -> bool {
    let kept = || worker.batches.iter().filter(|batch| batch.batch >= worker.recalled);
    let belong_together = |batch: &InFlight| batch.jobs.iter().any(|jobs| jobs.grouping == Grouping::Atomic);
    worker.phase == Phase::Serving
        && kept().map(InFlight::count).sum::<u64>() > 1
        && !worker.batches.iter().any(belong_together)
}
