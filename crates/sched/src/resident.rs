//! Limits on the resident memory of workers and their descendants.

use std::time::Duration;

use job::{BatchId, MonotonicInstant, WorkerId};

use crate::{
    Action, Sched,
    worker::{KillReason, Worker},
};

/// Interval at which the resident size of workers is measured while it is limited.
pub const RSS_CHECK_INTERVAL: Duration = Duration::from_millis(50);

impl Sched {
    /// Returns whether the resident size of workers is limited.
    #[must_use]
    pub fn limits_rss(&self) -> bool {
        let settings = &self.settings;
        settings.max_rss.is_some() || settings.recycle_rss.is_some() || self.jobs.limits_rss()
    }

    /// Returns when the resident size of an idle worker has to be measured, so that it is replaced before its
    /// next job if its last one made it too large; `None` if it was measured
    /// since then. A size that is reported within [`RSS_CHECK_INTERVAL`] may be an earlier one.
    pub(crate) fn next_idle_check(&self, worker: &Worker) -> Option<MonotonicInstant> {
        let is_due = worker.measured_at < worker.idle_since + RSS_CHECK_INTERVAL;
        let since = worker.idle_since.max(worker.measured_at);
        (self.settings.recycle_rss.is_some() && is_due).then_some(since + RSS_CHECK_INTERVAL)
    }

    /// Kills a worker that exceeds the limit of the job that it is running, which is `max_rss` for jobs that
    /// have none of their own; replaces one that exceeds `recycle_rss` after its current job, and takes back
    /// the jobs that it has not started.
    pub(crate) fn check_resident(
        &mut self,
        now: MonotonicInstant,
        id: WorkerId,
        bytes: u64,
        actions: &mut Vec<Action>,
    ) {
        let is_over = |limit: Option<u64>| limit.is_some_and(|limit| bytes > limit);
        let below = BatchId(self.next_batch);
        let Some(worker) = self.workers.serving_mut(id) else {
            return;
        };
        worker.measured_at = now;
        // An observation is valid only once: later the worker may be running another job.
        let running = worker.seen.take().and_then(|(batch, index, _)| worker.job_at(batch, index));
        let own_limit = running.and_then(|job| self.jobs.max_rss_of(job));
        let is_over_max = is_over(own_limit.or(self.settings.max_rss));
        let is_recycled = is_over(self.settings.recycle_rss);
        if is_over_max {
            self.workers.kill(id, KillReason::RssExceeded, actions);
        } else if is_recycled && !worker.is_recycled {
            worker.is_recycled = true;
            if !worker.batches.is_empty() {
                worker.recalled = below;
                actions.push(Action::Recall { worker: id, below });
            }
        }
    }
}
