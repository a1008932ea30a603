//! Total time that jobs spend in the queue.

use std::time::Duration;

use job::MonotonicInstant;

/// Total time that jobs have spent in the queue.
#[derive(Debug)]
pub(crate) struct QueueTime {
    total: Duration,
    /// Time up to which it was counted.
    counted_until: MonotonicInstant,
}

impl QueueTime {
    pub(crate) fn new() -> QueueTime {
        QueueTime { total: Duration::ZERO, counted_until: MonotonicInstant(0) }
    }

    /// Adds the time since the last call, during which this number of jobs was queued.
    pub(crate) fn add(&mut self, now: MonotonicInstant, jobs: u64) {
        let jobs = u32::try_from(jobs).unwrap_or(u32::MAX);
        let time = now.since(self.counted_until).saturating_mul(jobs);
        self.total = self.total.saturating_add(time);
        self.counted_until = now;
    }

    pub(crate) fn total(&self) -> Duration {
        self.total
    }
}
