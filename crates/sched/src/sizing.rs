//! Chooses the number of jobs in a batch from measured costs.

use std::time::Duration;

use crate::{BatchSize, MeanCost};

/// Target run time of a batch: many times the cost of sending it, but still short.
const TARGET_TIME: Duration = Duration::from_millis(1);

/// Minimum run time of a batch while jobs are queued. At the end of a run one worker may be busy for this
/// time while the others are idle; that costs less than sending smaller batches.
const MIN_TIME: Duration = Duration::from_micros(50);

/// Maximum number of jobs in a batch with [`BatchSize::Auto`].
const MAX_JOBS: u64 = 4096;

/// Maximum number of bytes in a batch, unless a single job is larger. Two such batches fit into a socket's
/// buffer.
pub(crate) const MAX_BYTES: u64 = 48 * 1024;

/// Jobs that cost less than this number of nanoseconds are cheap.
const CHEAP_NS: f64 = 20_000.0;

/// Mean cost of a job in nanoseconds up to which a worker gets a second batch while it runs the first one.
const MAX_QUEUED_COST_NS: f64 = 50e6;

/// Above this multiple of the mean cost, halve the confidence.
const MAX_DEVIATION: f64 = 8.0;

/// Weight of the latest batch in the mean cost.
const WEIGHT: f64 = 1.0 / 8.0;

/// Number of jobs of similar cost, or far cheaper than the mean, after which the next job is expected to cost
/// the same.
const MIN_SAMPLE: u64 = 32;

/// Cost of a job as measured from returned batches.
#[derive(Debug)]
pub(crate) struct Sizing {
    setting: BatchSize,
    /// Mean cost of a job in nanoseconds.
    cost_ns: MeanCost,
    /// Size of the largest batch returned so far. Sizes grow from it at most fourfold per step.
    largest_returned: u64,
    /// Number of jobs that cost at most [`MAX_DEVIATION`] times the mean, halved by each batch that cost
    /// more.
    confidence: u64,
}

impl Sizing {
    pub(crate) fn new(setting: BatchSize) -> Sizing {
        Sizing { setting, cost_ns: MeanCost::new(WEIGHT, MIN_SAMPLE), largest_returned: 1, confidence: 0 }
    }

    /// Adds a measurement: the time a worker spent on a number of jobs.
    pub(crate) fn note(&mut self, jobs: u64, busy: Duration) {
        if jobs == 0 || busy.is_zero() {
            return;
        }
        let cost = busy.as_nanos() as f64 / jobs as f64;
        let mean = self.cost_ns.get().unwrap_or(cost);
        // Halved only, not reset: a worker that had to wait for a core also reports a high cost.
        self.confidence =
            if cost <= MAX_DEVIATION * mean { self.confidence + jobs } else { self.confidence / 2 };
        let is_replaced = self.cost_ns.note(jobs, busy.as_nanos() as f64);
        // Sizes that worked before are not evidence for the new mean.
        self.largest_returned = if is_replaced { jobs } else { self.largest_returned.max(jobs) };
    }

    /// Returns the size of the next batch when `queued` jobs are shared by `workers`.
    pub(crate) fn batch_size(&self, queued: u64, workers: u64) -> u64 {
        match self.setting {
            BatchSize::Fixed(size) => size.get(),
            BatchSize::Auto => {
                // Batches shrink towards the end of the queue, so that all workers finish at about the same
                // time.
                let share = (queued / (2 * workers.max(1))).max(self.min_batch().min(queued));
                self.jobs_in(TARGET_TIME)
                    .min(self.largest_returned.saturating_mul(4))
                    .min(share)
                    .clamp(1, MAX_JOBS)
            }
        }
    }

    /// Returns the minimum number of jobs for which a batch is worth sending; 0 while the cost is not known
    /// well.
    pub(crate) fn min_batch(&self) -> u64 {
        self.jobs_in(MIN_TIME).min(self.confidence / MIN_SAMPLE)
    }

    /// Returns the number of jobs that take about this time; 1 before the first measurement.
    fn jobs_in(&self, time: Duration) -> u64 {
        self.cost_ns.get().map_or(1, |cost| (time.as_nanos() as f64 / cost.max(1.0)) as u64)
    }

    /// Returns whether jobs are known to be so short that sending them one by one would cost more than
    /// running them.
    pub(crate) fn is_cheap(&self) -> bool {
        self.setting == BatchSize::Auto
            && self.confidence >= MIN_SAMPLE
            && self.cost_ns.get().is_some_and(|cost| cost < CHEAP_NS)
    }

    /// Returns the number of unresolved jobs at which all workers have full windows and as many jobs are
    /// queued.
    pub(crate) fn target_backlog(&self, workers: u64) -> u64 {
        let batch = self.jobs_in(TARGET_TIME).min(MAX_JOBS);
        2 * workers * self.window() as u64 * batch
    }

    /// Returns the number of batches that a worker may have at a time. A second batch hides the latency of
    /// the parent: 50 us, but on a busy machine several milliseconds, until the system runs the parent. With
    /// long jobs that latency hardly matters, but a job queued behind a long one would be delayed.
    pub(crate) fn window(&self) -> usize {
        match self.cost_ns.get() {
            Some(cost) if cost < MAX_QUEUED_COST_NS => 2,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_of_cheap_jobs_grow_then_shrink_towards_the_end() {
        let mut sizing = Sizing::new(BatchSize::Auto);
        assert_eq!(sizing.batch_size(1_000_000, 2), 1, "no measurement yet");
        sizing.note(1, Duration::from_nanos(100));
        assert_eq!(sizing.batch_size(1_000_000, 2), 4);
        sizing.note(1000, Duration::from_micros(100));
        assert_eq!(sizing.batch_size(1_000_000, 2), 4000);
        assert_eq!(sizing.batch_size(1000, 2), 250);
        assert_eq!(sizing.batch_size(100, 2), 31, "limited by the confidence");
        assert_eq!(sizing.batch_size(1, 2), 1);
    }

    #[test]
    fn small_queue_is_not_divided_once_costs_are_known() {
        let mut sizing = Sizing::new(BatchSize::Auto);
        sizing.note(1, Duration::from_nanos(100));
        assert_eq!(
            (sizing.batch_size(4, 2), sizing.is_cheap()),
            (1, false),
            "one job is not a sufficient sample"
        );
        sizing.note(32_000, Duration::from_micros(3200));
        assert_eq!((sizing.batch_size(500, 2), sizing.is_cheap()), (500, true));
        (0..16).for_each(|_| sizing.note(1, Duration::from_secs(1) * 10u32.pow(3)));
        assert_eq!((sizing.batch_size(4, 2), sizing.is_cheap()), (1, false));
    }

    #[test]
    fn batches_grow_soon_when_short_jobs_follow_long_ones() {
        let mut sizing = Sizing::new(BatchSize::Auto);
        (0..100).for_each(|_| sizing.note(1, Duration::from_millis(15)));
        let batches = (0..200).find(|_| {
            let size = sizing.batch_size(1_000_000, 2);
            sizing.note(size, Duration::from_nanos(900) * size as u32);
            size >= 1000
        });
        // With the weighted mean alone it takes more than 70.
        assert!(batches < Some(45), "{batches:?}");
    }

    #[test]
    fn batches_stay_short_where_costs_vary() {
        let mut sizing = Sizing::new(BatchSize::Auto);
        let (mut next, mut longest) = (0u64, Duration::ZERO);
        while next < 100_000 {
            let size = sizing.batch_size(1_000_000, 2);
            // One job in eight takes 15 ms, chosen by a pseudo-random number.
            let cost =
                |n: u64| if n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 61 == 0 { 15_000_000 } else { 1_000 };
            let busy = Duration::from_nanos((next..next + size).map(cost).sum());
            longest = longest.max(busy);
            sizing.note(size, busy);
            next += size;
        }
        assert!(longest < Duration::from_millis(400), "{longest:?}");
    }

    #[test]
    fn expensive_jobs_are_sent_one_by_one() {
        let mut sizing = Sizing::new(BatchSize::Auto);
        sizing.note(1, Duration::from_millis(10));
        assert_eq!((sizing.batch_size(1000, 2), sizing.window()), (1, 2));
        let mut sizing = Sizing::new(BatchSize::Auto);
        sizing.note(1, Duration::from_millis(100));
        assert_eq!((sizing.batch_size(1000, 2), sizing.window()), (1, 1));
    }
}
