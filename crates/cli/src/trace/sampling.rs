//! What is left out, so that the memory for a timeline is bounded.
//!
//! While there is room everything is kept. When there is none, every other batch is left out, then every other one of the
//! rest, and so on: by the number of the batch, so that the batches that are left are spread over the whole run. Where single
//! jobs take most of the room, they go before any batch does.

use pool::BatchId;

/// Which batches are kept, and of which the single jobs.
#[derive(Clone, Debug)]
pub(super) struct Sampling {
    /// So many slices there may be.
    most: usize,
    /// Batches are kept whose number is a multiple of this.
    batches: u64,
    /// The jobs of those batches are kept whose number is a multiple of this, which is one of `batches`.
    jobs: u64,
    /// The largest number of a batch so far.
    newest: u64,
}

impl Sampling {
    pub(super) fn new(most: usize) -> Sampling {
        Sampling { most, batches: 1, jobs: 1, newest: 0 }
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// One batch of so many is kept.
    pub(super) fn batches(&self) -> u64 {
        self.batches
    }

    /// The single jobs of one batch of so many are kept.
    pub(super) fn jobs(&self) -> u64 {
        self.jobs
    }

    pub(super) fn keeps(&self, batch: BatchId) -> bool {
        batch.0.is_multiple_of(self.batches)
    }

    pub(super) fn keeps_jobs_of(&self, batch: BatchId) -> bool {
        batch.0.is_multiple_of(self.jobs)
    }

    /// Whether the jobs of a batch are few enough to be looked at one by one.
    pub(super) fn has_room_for(&self, jobs: usize) -> bool {
        jobs <= self.most / 4
    }

    pub(super) fn note(&mut self, batch: BatchId) {
        self.newest = self.newest.max(batch.0);
    }

    /// Keeps less from now on, if there are too many slices and anything can be left out; `jobs` of them are single jobs.
    pub(super) fn coarsen(&mut self, slices: usize, jobs: usize) -> bool {
        if slices <= self.most {
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
    fn single_jobs_go_before_batches() {
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
    fn it_ends_when_there_is_nothing_left_to_leave_out() {
        let mut sampling = Sampling::new(1);
        sampling.note(BatchId(5));
        while sampling.coarsen(100, 0) {}
        assert_eq!(sampling.batches(), 8);
    }
}
