//! Records the events of the pool.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use pool::metrics::{BatchId, MonotonicInstant, Observer, PoolEvent};

use super::timeline::TimelineData;

/// An observer of the pool that records its events.
#[derive(Debug)]
pub(super) struct TraceRecorder {
    data: Mutex<TimelineData>,
    /// Durations of jobs are recorded for batches whose number is a multiple of this.
    jobs_of: AtomicU64,
}

impl TraceRecorder {
    /// Creates a recorder for at most `max_slices` slices.
    pub(super) fn new(start: MonotonicInstant, max_slices: usize) -> TraceRecorder {
        TraceRecorder { data: Mutex::new(TimelineData::new(start, max_slices)), jobs_of: AtomicU64::new(1) }
    }

    /// Calls `read` with the data recorded so far.
    pub(super) fn with_data<T>(&self, read: impl FnOnce(&TimelineData) -> T) -> T {
        read(&self.data.lock())
    }
}

impl Observer for TraceRecorder {
    fn on_event(&self, event: &PoolEvent) {
        let event = event.clone();
        let mut data = self.data.lock();
        data.note(event);
        self.jobs_of.store(data.sampling.jobs(), Ordering::Relaxed);
    }

    fn needs_durations(&self, batch: BatchId) -> bool {
        batch.0.is_multiple_of(self.jobs_of.load(Ordering::Relaxed))
    }
}
