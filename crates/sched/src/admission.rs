//! Whether queued jobs may be assigned now: the pool can be held, and the starts of its jobs can be spaced.

use std::mem;

use job::{BatchId, MonotonicInstant};

use crate::{Action, Sched, rebalance::has_surplus};

impl Sched {
    /// Returns whether the pool is held: no jobs are assigned until it is released.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.is_held
    }

    /// Holds the pool. The jobs that workers have not started are taken back, except those of groups, which
    /// stay together.
    pub(crate) fn held(&mut self, actions: &mut Vec<Action>) {
        if mem::replace(&mut self.is_held, true) {
            return;
        }
        let below = BatchId(self.next_batch);
        for (id, worker) in self.workers.iter_mut().filter(|(_, worker)| has_surplus(worker)) {
            worker.recalled = below;
            actions.push(Action::Recall { worker: id, below });
        }
    }

    pub(crate) fn released(&mut self) {
        self.is_held = false;
    }

    /// Returns whether the starts of jobs are spaced. Each job has a batch of its own then, and is assigned
    /// to a worker that is idle, so that it starts when it is assigned.
    pub(crate) fn spaces_starts(&self) -> bool {
        !self.settings.start_delay.is_zero()
    }

    /// Returns whether the next job may be assigned now. If it may be later, requests a tick at that time.
    pub(crate) fn may_start(&self, now: MonotonicInstant, actions: &mut Vec<Action>) -> bool {
        let at = self.next_start;
        if at > now {
            actions.push(Action::WakeAt(at));
        }
        at <= now
    }

    /// Records that a job is assigned.
    pub(crate) fn note_start(&mut self, now: MonotonicInstant) {
        if self.spaces_starts() {
            self.next_start = now + self.settings.start_delay;
        }
    }
}
