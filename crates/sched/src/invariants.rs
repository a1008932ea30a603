//! Queries of the whole state, and the invariants that hold between events.

use job::JobRange;

use crate::{Sched, state::Mode, worker::Phase};

impl Sched {
    /// Returns the number of unresolved jobs.
    #[must_use]
    pub fn pending(&self) -> u64 {
        let in_flight: u64 =
            self.workers.values().flat_map(|worker| &worker.batches).map(|batch| batch.count()).sum();
        self.queue.total() + in_flight
    }

    /// Returns the number of workers, including those that are starting or exiting.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        self.workers.len()
    }

    /// Returns the maximum number of workers at a time.
    #[must_use]
    pub fn max_workers(&self) -> u32 {
        self.settings.max_workers
    }

    /// Returns whether the pool is broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.mode == Mode::Broken
    }

    /// Checks the invariants of the state; for tests.
    ///
    /// # Panics
    /// If an invariant is violated.
    pub fn check_invariants(&self) {
        let mut ranges: Vec<JobRange> = self.queue.iter().collect();
        self.workers.check_ids();
        for (id, worker) in self.workers.iter() {
            assert!(worker.batches.len() <= 3, "{id}: too many batches");
            assert!(worker.batches.iter().all(|batch| batch.count() > 0), "{id}: empty batch");
            if worker.is_spare || matches!(worker.phase, Phase::Starting | Phase::Retiring { .. }) {
                assert!(worker.batches.is_empty(), "{id}: has batches but may not");
            }
            ranges.extend(worker.batches.iter().flat_map(|batch| batch.jobs.iter().map(|span| span.jobs)));
        }
        let counted: u64 = ranges.iter().map(|jobs| jobs.count()).sum();
        assert_eq!(counted, self.pending(), "wrong number of pending jobs");
        ranges.sort_by_key(|jobs| jobs.first());
        assert!(ranges.windows(2).all(|pair| pair[0].end() <= pair[1].first().0), "a job is in two places");
        if matches!(self.mode, Mode::Stopping | Mode::Broken) {
            assert_eq!(self.queue.total(), 0, "jobs are queued in a pool that starts none");
        }
    }
}
