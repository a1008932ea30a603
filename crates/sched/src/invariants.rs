//! What is true of the scheduler between any two events.

use job::JobRange;

use crate::{Sched, state::Mode, worker::Phase};

impl Sched {
    /// How many jobs are unresolved.
    #[must_use]
    pub fn pending(&self) -> u64 {
        let in_flight: u64 =
            self.workers.values().flat_map(|worker| &worker.batches).map(|batch| batch.count()).sum();
        self.queue.total() + in_flight
    }

    /// How many workers there are, starting and leaving ones included.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        self.workers.len()
    }

    /// How many workers there may be at a time.
    #[must_use]
    pub fn max_workers(&self) -> u32 {
        self.settings.max_workers
    }

    /// Whether the pool is broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.mode == Mode::Broken
    }

    /// Checks the state against itself; for tests.
    ///
    /// # Panics
    /// If it contradicts itself.
    pub fn check_invariants(&self) {
        let mut places: Vec<JobRange> = self.queue.iter().collect();
        for (id, worker) in &self.workers {
            assert!(id.generation < self.generations[&id.slot], "{id} is from the future");
            assert!(worker.batches.len() <= 3, "{id} has too many batches");
            assert!(worker.batches.iter().all(|batch| batch.count() > 0), "{id} has an empty batch");
            if matches!(worker.phase, Phase::Starting | Phase::Leaving { .. }) {
                assert!(worker.batches.is_empty(), "{id} has batches and is not serving");
            }
            places.extend(
                worker.batches.iter().flat_map(|batch| batch.jobs.iter().map(|waiting| waiting.jobs)),
            );
        }
        let mut slots: Vec<u32> = self.workers.keys().map(|id| id.slot).collect();
        slots.dedup();
        assert_eq!(slots.len(), self.workers.len(), "two workers in one place");

        let counted: u64 = places.iter().map(|jobs| jobs.count()).sum();
        assert_eq!(counted, self.pending(), "the queue has lost count");
        places.sort_by_key(|jobs| jobs.first());
        assert!(places.windows(2).all(|pair| pair[0].end() <= pair[1].first().0), "a job in two places");
        if matches!(self.mode, Mode::Stopping | Mode::Broken) {
            assert_eq!(self.queue.total(), 0, "jobs wait for a pool that starts none");
        }
    }
}
