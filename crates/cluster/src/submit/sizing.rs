//! Sizes messages by the measured cost of jobs. No I/O.

use sched::MeanCost;

/// Target worker time of a message in seconds: long compared with what a message costs the server, and short
/// enough that many nodes share the end of a run.
const TARGET_S: f64 = 0.05;

/// Number of jobs of the first messages, whose cost is not known.
pub(crate) const FIRST_JOBS: u64 = 4;

/// Maximum growth over the largest message that has come back: larger ones have not been measured.
const GROWTH: u64 = 4;

/// Weight of the latest result in the mean cost.
const COST_WEIGHT: f64 = 0.2;

/// Number of jobs in a row far below the mean cost after which the mean is replaced.
const CHEAP_JOBS: u64 = 32;

/// Maximum number of jobs in a message.
pub(crate) const MAX_JOBS: u64 = 1 << 16;

/// Maximum size of a message in bytes, if it has more than one job.
pub(crate) const MAX_BYTES: usize = 256 << 10;

/// Maximum number of messages in flight while their size is still growing.
const MAX_LEARNING: usize = 128;

/// Maximum number of messages in flight; as many as the nodes' consumer allows.
const MAX_IN_FLIGHT: usize = 16_384;

/// Maximum number of complete messages that are not in the queue yet. Jobs are pushed far faster than the
/// server stores messages, and a complete message cannot grow any more when jobs turn out to be short. Twice
/// the number that is published concurrently, so that the publisher is never idle.
pub(crate) const MAX_UNPUBLISHED: usize = 128;

/// Estimates the cost of jobs from results.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sizing {
    /// Mean cost of a job in seconds of one worker.
    job_s: MeanCost,
    /// Number of jobs of the largest message that has come back.
    largest_returned: u64,
}

impl Sizing {
    pub(crate) fn new() -> Sizing {
        Sizing { job_s: MeanCost::new(COST_WEIGHT, CHEAP_JOBS), largest_returned: 1 }
    }

    /// Adds a measurement: `seconds` of worker time for `jobs` jobs.
    pub(crate) fn note(&mut self, jobs: u64, seconds: f64) {
        if jobs == 0 || !seconds.is_finite() || seconds < 0.0 {
            return;
        }
        let is_replaced = self.job_s.note(jobs, seconds);
        // Earlier messages say nothing about the new mean.
        self.largest_returned = if is_replaced { jobs } else { self.largest_returned.max(jobs) };
    }

    /// Returns the number of jobs of the next message; at least one.
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

    /// Returns the maximum number of messages in flight: few while the size may still grow, because messages
    /// in flight cannot grow any more.
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
    fn messages_grow_fourfold_up_to_fifty_milliseconds() {
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
    fn long_jobs_are_sent_one_per_message() {
        let mut sizing = Sizing::new();
        sizing.note(4, 4.0 * 0.06);
        assert_eq!((sizing.jobs(), sizing.max_in_flight()), (1, MAX_IN_FLIGHT));
    }

    #[test]
    fn mean_is_replaced_when_results_cost_far_less() {
        let mut sizing = Sizing::new();
        (0..20).for_each(|_| sizing.note(3, 0.045));
        assert_eq!((sizing.jobs(), sizing.max_in_flight()), (3, MAX_IN_FLIGHT));
        // As many results as are needed for 32 jobs.
        (0..11).for_each(|_| sizing.note(3, 3e-6));
        assert_eq!((sizing.jobs(), sizing.max_in_flight()), (12, MAX_LEARNING), "of 1 us each");
    }

    proptest! {
        #[test]
        fn messages_have_at_least_one_job_for_any_measurements(
            notes in proptest::collection::vec((0u64..1 << 20, any::<f64>()), 0..50),
        ) {
            let mut sizing = Sizing::new();
            for (jobs, seconds) in notes {
                sizing.note(jobs, seconds);
                prop_assert!((1..=MAX_JOBS).contains(&sizing.jobs()));
            }
        }
    }
}
