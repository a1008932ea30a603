//! How many jobs to a batch. Pure.

use sched::MeanCost;

/// A batch is to keep one worker busy for so long: long beside what a batch costs the server, and short enough for many
/// nodes to share the end of a run.
const TARGET_S: f64 = 0.05;

/// The first batches, of whose jobs nothing is known.
pub(crate) const FIRST_JOBS: u64 = 4;

/// What grows faster has not been measured.
const GROWTH: u64 = 4;

/// The weight of the latest result in the mean cost.
const COST_WEIGHT: f64 = 0.2;

/// The mean cost is replaced after this many jobs in a row that cost far less.
const CHEAP_JOBS: u64 = 32;

/// The most jobs in a batch.
pub(crate) const MAX_JOBS: u64 = 1 << 16;

/// The most bytes of jobs in a batch, if it has more than one.
pub(crate) const MAX_BYTES: usize = 256 << 10;

/// Batches that may be under way while their size is still being found.
const MAX_LEARNING: usize = 128;

/// Batches that may be under way at all: as many as nodes may hold.
const MAX_IN_FLIGHT: usize = 16_384;

/// Batches that are complete and not in the queue yet. Jobs are pushed far faster than the server takes batches, and what is
/// complete cannot be made larger any more when it turns out that jobs are short. Twice what is published at a time, so that the
/// publisher is never idle.
pub(crate) const MAX_UNPUBLISHED: usize = 128;

/// Learns from results what jobs cost.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sizing {
    /// Mean cost of a job in seconds of one worker.
    job_s: MeanCost,
    /// The largest batch that has come back.
    largest_returned: u64,
}

impl Sizing {
    pub(crate) fn new() -> Sizing {
        Sizing { job_s: MeanCost::new(COST_WEIGHT, CHEAP_JOBS), largest_returned: 1 }
    }

    /// Hears that so many jobs have taken so many seconds of one worker.
    pub(crate) fn note(&mut self, jobs: u64, seconds: f64) {
        if jobs == 0 || !seconds.is_finite() || seconds < 0.0 {
            return;
        }
        let is_replaced = self.job_s.note(jobs, seconds);
        // What was proven before says nothing of the new mean.
        self.largest_returned = if is_replaced { jobs } else { self.largest_returned.max(jobs) };
    }

    /// How many jobs the next batch may have; at least one.
    pub(crate) fn jobs(&self) -> u64 {
        match self.job_s.get() {
            None => FIRST_JOBS,
            Some(cost) => self.target_jobs(cost).min(self.largest_returned.saturating_mul(GROWTH)),
        }
    }

    fn target_jobs(&self, cost: f64) -> u64 {
        let target = TARGET_S / cost.max(1e-9);
        (target as u64).clamp(1, MAX_JOBS)
    }

    /// How many batches may be under way: few while a larger size may turn out to be right, because what is under way
    /// cannot be made larger any more.
    pub(crate) fn max_in_flight(&self) -> usize {
        match self.job_s.get() {
            Some(cost) if self.target_jobs(cost) <= self.largest_returned.saturating_mul(GROWTH) => {
                MAX_IN_FLIGHT
            }
            _ => MAX_LEARNING,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn batches_grow_fourfold_until_they_take_fifty_milliseconds() {
        // A power of two, so that sums are exact: about 8 us a job.
        let job_s = 1.0 / 131_072.0;
        let mut sizing = Sizing::new();
        let mut sizes = Vec::new();
        while sizing.max_in_flight() == MAX_LEARNING {
            sizes.push(sizing.jobs());
            sizing.note(sizing.jobs(), sizing.jobs() as f64 * job_s);
        }
        assert_eq!(sizes, [4, 16, 64, 256, 1024, 4096]);
        assert_eq!(sizing.jobs(), 6553, "of 7.6 us each in 50 ms");
    }

    #[test]
    fn long_jobs_travel_alone() {
        let mut sizing = Sizing::new();
        sizing.note(4, 4.0 * 0.06);
        assert_eq!((sizing.jobs(), sizing.max_in_flight()), (1, MAX_IN_FLIGHT));
    }

    #[test]
    fn results_that_cost_far_less_than_the_first_ones_are_believed() {
        let mut sizing = Sizing::new();
        (0..20).for_each(|_| sizing.note(3, 0.045));
        assert_eq!((sizing.jobs(), sizing.max_in_flight()), (3, MAX_IN_FLIGHT));
        // As many as are needed for 32 jobs.
        (0..11).for_each(|_| sizing.note(3, 3e-6));
        assert_eq!((sizing.jobs(), sizing.max_in_flight()), (12, MAX_LEARNING), "of 1 us each");
    }

    proptest! {
        #[test]
        fn whatever_is_heard_batches_have_at_least_one_job(notes in proptest::collection::vec((0u64..1 << 20, any::<f64>()), 0..50)) {
            let mut sizing = Sizing::new();
            for (jobs, seconds) in notes {
                sizing.note(jobs, seconds);
                prop_assert!((1..=MAX_JOBS).contains(&sizing.jobs()));
            }
        }
    }
}
