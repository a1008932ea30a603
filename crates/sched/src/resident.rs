//! Workers that, with what they have started, take too much memory.

use std::time::Duration;

use job::{BatchId, WorkerId};

use crate::{
    Action, Sched,
    worker::{KillReason, Phase},
};

/// Time between two looks at the resident size of workers, where that matters.
pub const RESIDENT_PERIOD: Duration = Duration::from_millis(50);

impl Sched {
    /// Whether the resident size of workers matters.
    #[must_use]
    pub fn limits_resident(&self) -> bool {
        self.settings.max_rss.is_some() || self.settings.recycle_rss.is_some()
    }

    /// Has a worker killed that is too large, or replaced after the job that it is in: what it has not begun goes to others.
    pub(crate) fn resident(&mut self, id: WorkerId, bytes: u64, actions: &mut Vec<Action>) {
        let is_over = |limit: Option<u64>| limit.is_some_and(|limit| bytes > limit);
        let (is_oversized, is_recycled) =
            (is_over(self.settings.max_rss), is_over(self.settings.recycle_rss));
        let below = BatchId(self.next_batch);
        let Some(worker) = self.workers.get_mut(&id).filter(|worker| worker.phase == Phase::Serving) else {
            return;
        };
        if is_oversized {
            self.doom(id, KillReason::Oversized, actions);
        } else if is_recycled && !worker.is_recycled {
            worker.is_recycled = true;
            if !worker.batches.is_empty() {
                worker.recalled = below;
                actions.push(Action::Recall { worker: id, below });
            }
        }
    }
}
