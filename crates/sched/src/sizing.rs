//! How many jobs are worth a batch.

use std::time::Duration;

use crate::{BatchSize, MeanCost};

/// A batch should keep a worker busy for about this long: many times what sending it costs, and still short.
const TARGET: Duration = Duration::from_millis(1);

/// It should keep a worker busy for at least this long while there are jobs: a worker that is left with the tail for so long
/// costs less than the batches that would avoid it.
const LEAST: Duration = Duration::from_micros(50);

/// The most jobs in a batch that sizes itself.
const MOST_JOBS: u64 = 4096;

/// The most bytes in a batch, unless one job alone is larger. Two such batches fit a socket at a time.
pub(crate) const MOST_BYTES: u64 = 48 * 1024;

/// Jobs that cost less are cheap, in nanoseconds.
const CHEAP_NS: f64 = 20_000.0;

/// A batch whose jobs cost so many times the mean says that the mean says little.
const STILL_ALIKE: f64 = 8.0;

/// The weight of the latest batch in the mean cost.
const WEIGHT: f64 = 1.0 / 8.0;

/// So many jobs have to have been alike, or far cheaper than the mean, before one of the same cost is expected.
const MANY: u64 = 32;

/// What the returned batches tell about the cost of a job.
#[derive(Debug)]
pub(crate) struct Sizing {
    setting: BatchSize,
    /// Mean cost of a job in nanoseconds.
    cost_ns: MeanCost,
    /// The largest batch that came back: sizes grow from it step by step.
    proven: u64,
    /// How many jobs have cost about the same, less for every surprise: how far the mean can be trusted.
    alike: u64,
}

impl Sizing {
    pub(crate) fn new(setting: BatchSize) -> Sizing {
        Sizing { setting, cost_ns: MeanCost::new(WEIGHT, MANY), proven: 1, alike: 0 }
    }

    pub(crate) fn learn(&mut self, jobs: u64, busy: Duration) {
        if jobs == 0 || busy.is_zero() {
            return;
        }
        let cost = busy.as_nanos() as f64 / jobs as f64;
        let mean = self.cost_ns.get().unwrap_or(cost);
        // Halved only: a worker that had to wait for a core tells of a high cost as well.
        self.alike = if cost <= STILL_ALIKE * mean { self.alike + jobs } else { self.alike / 2 };
        let is_replaced = self.cost_ns.note(jobs, busy.as_nanos() as f64);
        // What was proven before says nothing of the new mean.
        self.proven = if is_replaced { jobs } else { self.proven.max(jobs) };
    }

    /// How many of `waiting` jobs the next batch should take, when `workers` share them.
    pub(crate) fn batch_size(&self, waiting: u64, workers: u64) -> u64 {
        match self.setting {
            BatchSize::Fixed(size) => size.get(),
            BatchSize::Auto => {
                // Towards the end of the queue batches shrink, so that no worker is left with the tail.
                let share = (waiting / (2 * workers.max(1))).max(self.least().min(waiting));
                self.jobs_in(TARGET).min(self.proven.saturating_mul(4)).min(share).clamp(1, MOST_JOBS)
            }
        }
    }

    /// How many jobs are worth a batch at least, as far as that is known.
    pub(crate) fn least(&self) -> u64 {
        self.jobs_in(LEAST).min(self.alike / MANY)
    }

    /// How many jobs take about so long.
    fn jobs_in(&self, time: Duration) -> u64 {
        self.cost_ns.get().map_or(1, |cost| (time.as_nanos() as f64 / cost.max(1.0)) as u64)
    }

    /// Whether jobs are known to be so short that sending them one by one would cost more than they do.
    pub(crate) fn is_cheap(&self) -> bool {
        self.setting == BatchSize::Auto
            && self.alike >= MANY
            && self.cost_ns.get().is_some_and(|cost| cost < CHEAP_NS)
    }

    /// With how many jobs under way so many workers have all they can, and as many wait for them.
    pub(crate) fn enough(&self, workers: u64) -> u64 {
        let batch = self.jobs_in(TARGET).min(MOST_JOBS);
        2 * workers * self.window() as u64 * batch
    }

    /// How many batches a worker may have at a time. Where jobs are short it should never wait for the parent; where
    /// they are long the wait costs little, and a job that is stuck behind another costs much.
    pub(crate) fn window(&self) -> usize {
        match self.cost_ns.get() {
            Some(cost) if cost < 1e6 => 2,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_of_cheap_jobs_grow_and_shrink_towards_the_end() {
        let mut sizing = Sizing::new(BatchSize::Auto);
        assert_eq!(sizing.batch_size(1_000_000, 2), 1, "nothing is known yet");
        sizing.learn(1, Duration::from_nanos(100));
        assert_eq!(sizing.batch_size(1_000_000, 2), 4);
        sizing.learn(1000, Duration::from_micros(100));
        assert_eq!(sizing.batch_size(1_000_000, 2), 4000);
        assert_eq!(sizing.batch_size(1000, 2), 250);
        assert_eq!(sizing.batch_size(100, 2), 31, "so many have been alike");
        assert_eq!(sizing.batch_size(1, 2), 1);
    }

    #[test]
    fn little_work_is_not_divided_once_jobs_have_proved_to_be_alike() {
        let mut sizing = Sizing::new(BatchSize::Auto);
        sizing.learn(1, Duration::from_nanos(100));
        assert_eq!(
            (sizing.batch_size(4, 2), sizing.is_cheap()),
            (1, false),
            "one job says nothing of the next"
        );
        sizing.learn(32_000, Duration::from_micros(3200));
        assert_eq!((sizing.batch_size(500, 2), sizing.is_cheap()), (500, true));
        (0..16).for_each(|_| sizing.learn(1, Duration::from_secs(1) * 10u32.pow(3)));
        assert_eq!((sizing.batch_size(4, 2), sizing.is_cheap()), (1, false));
    }

    #[test]
    fn after_long_jobs_short_ones_soon_travel_in_large_batches() {
        let mut sizing = Sizing::new(BatchSize::Auto);
        (0..100).for_each(|_| sizing.learn(1, Duration::from_millis(15)));
        let batches = (0..200).find(|_| {
            let size = sizing.batch_size(1_000_000, 2);
            sizing.learn(size, Duration::from_nanos(900) * size as u32);
            size >= 1000
        });
        // By the weights alone it takes more than 70.
        assert!(batches < Some(45), "{batches:?}");
    }

    #[test]
    fn where_costs_are_mixed_a_batch_stays_short() {
        let mut sizing = Sizing::new(BatchSize::Auto);
        let (mut next, mut longest) = (0u64, Duration::ZERO);
        while next < 100_000 {
            let size = sizing.batch_size(1_000_000, 2);
            // One job in eight takes 15 ms, by a number that looks random.
            let cost =
                |n: u64| if n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 61 == 0 { 15_000_000 } else { 1_000 };
            let busy = Duration::from_nanos((next..next + size).map(cost).sum());
            longest = longest.max(busy);
            sizing.learn(size, busy);
            next += size;
        }
        assert!(longest < Duration::from_millis(400), "{longest:?}");
    }

    #[test]
    fn costly_jobs_travel_one_by_one() {
        let mut sizing = Sizing::new(BatchSize::Auto);
        sizing.learn(1, Duration::from_millis(10));
        assert_eq!((sizing.batch_size(1000, 2), sizing.window()), (1, 1));
    }
}
