//! Sampling of batches, so that the memory for a timeline is bounded.
//!
//! Everything is kept until the limit is reached. Then every other batch is dropped, later every other one of
//! the rest, and so on. The selection is by batch number, so the remaining batches are spread over the whole
//! run. Where single jobs use most of the slices, they are dropped before any batch.

use pool::metrics::BatchId;

/// Selects the batches that are kept, and those of which the single jobs are kept.
#[derive(Clone, Debug)]
pub(super) struct Sampling {
    /// Limit of slices.
    max_slices: usize,
    /// Batches are kept if their number is a multiple of this.
    batches: u64,
    /// Single jobs are kept if the number of their batch is a multiple of this, which is a multiple of
    /// `batches`.
    jobs: u64,
    /// Largest batch number so far.
    newest: u64,
}

impl Sampling {
    pub(super) fn new(max_slices: usize) -> Sampling {
        Sampling { max_slices, batches: 1, jobs: 1, newest: 0 }
    }

    pub(super) fn max_slices(&self) -> usize {
        self.max_slices
    }

    /// Batches are kept if their number is a multiple of this.
    pub(super) fn batches(&self) -> u64 {
        self.batches
    }

    /// Single jobs are kept if the number of their batch is a multiple of this.
    pub(super) fn jobs(&self) -> u64 {
        self.jobs
    }

    pub(super) fn keeps(&self, batch: BatchId) -> bool {
        batch.0.is_multiple_of(self.batches)
    }

    pub(super) fn keeps_jobs_of(&self, batch: BatchId) -> bool {
        batch.0.is_multiple_of(self.jobs)
    }

    /// Returns whether the jobs of a batch are few enough to be shown individually: at most a quarter of the
    /// limit.
    pub(super) fn has_room_for(&self, jobs: usize) -> bool {
        jobs <= self.max_slices / 4
    }

    pub(super) fn note(&mut self, batch: BatchId) {
        self.newest = self.newest.max(batch.0);
    }

    /// Drops more from now on if there are too many slices; `jobs` of them are single jobs. Returns whether
    /// anything was left to drop.
    pub(super) fn coarsen(&mut self, slices: usize, jobs: usize) -> bool {
        if slices <= self.max_slices {
            return false;
        }
        let stride = if jobs > slices / 2 { &mut self.jobs } else { &mut self.batches };
        if *stride > self.newest {
            return false;
        }
        *stride *= 2;
        self.jobs = self.jobs.max(self.batches);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_jobs_are_dropped_before_batches() {
        let mut sampling = Sampling::new(100);
        sampling.note(BatchId(1000));
        assert!(!sampling.coarsen(100, 90));
        assert!(sampling.coarsen(101, 90));
        assert_eq!((sampling.batches(), sampling.jobs()), (1, 2));
        assert!(sampling.keeps(BatchId(3)) && !sampling.keeps_jobs_of(BatchId(3)));
        assert!(sampling.coarsen(101, 10) && sampling.coarsen(101, 10));
        assert_eq!((sampling.batches(), sampling.jobs()), (4, 4));
    }

    #[test]
    fn coarsening_ends_when_everything_is_dropped() {
        let mut sampling = Sampling::new(1);
        sampling.note(BatchId(5));
        while sampling.coarsen(100, 0) {}
        assert_eq!(sampling.batches(), 8);
    }
}
