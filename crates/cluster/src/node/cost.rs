//! What jobs cost here, and how much a node should have at hand.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use pool::WorkerStats;
use sched::MeanCost;

use crate::submit::sizing::FIRST;

/// Looked at no more often than this: with many workers that have come and gone it is a long list.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a node has waiting keeps each worker busy for about so long, which is many round trips to the server.
const AT_HAND_S: f64 = 0.05;

/// The most batches that wait for each worker, however short.
const MOST_WAITING: usize = 16;

/// The weight of what was measured since the last look in the mean cost of a job. The mean is replaced by as many cheap jobs as the
/// first batch of a run has: its submitter learns the cost from that, and a wrong one costs little, because batches grow only
/// fourfold from what has come back.
const LOOK_WEIGHT: f64 = 0.5;

/// The weight of the latest batch in the mean number of jobs.
const BATCH_WEIGHT: f64 = 0.3;

/// The rate is that of so many seconds.
const RATE_OVER: Duration = Duration::from_secs(10);

/// Mean costs, by what the workers say.
pub(super) struct Costs {
    looked: Option<Instant>,
    jobs: u64,
    busy: Duration,
    /// Mean cost of a job, in seconds of one worker.
    job_s: MeanCost,
    /// Mean number of jobs of recent batches.
    batch_jobs: Option<f64>,
}

impl Costs {
    pub(super) fn new() -> Costs {
        Costs {
            looked: None,
            jobs: 0,
            busy: Duration::ZERO,
            job_s: MeanCost::new(LOOK_WEIGHT, FIRST),
            batch_jobs: None,
        }
    }

    /// The cost of a batch that has just ended, in seconds of one worker. Batches run side by side, so it is the mean cost
    /// of the jobs that ended lately.
    pub(super) fn of_batch(
        &mut self,
        count: u64,
        figures: impl FnOnce() -> Vec<WorkerStats>,
        now: Instant,
    ) -> f64 {
        if self.looked.is_none_or(|looked| now - looked >= LOOK_EVERY) {
            self.looked = Some(now);
            self.look(&figures());
        }
        let jobs = count as f64;
        self.batch_jobs = Some(self.batch_jobs.map_or(jobs, |mean| mean + BATCH_WEIGHT * (jobs - mean)));
        self.job_s.get().unwrap_or(0.0) * jobs
    }

    fn look(&mut self, figures: &[WorkerStats]) {
        let jobs: u64 = figures.iter().map(|worker| worker.jobs).sum();
        let busy: Duration = figures.iter().map(|worker| worker.busy).sum();
        let (more, time) = (jobs.saturating_sub(self.jobs), busy.saturating_sub(self.busy));
        if more > 0 {
            (self.jobs, self.busy) = (jobs, busy);
            self.job_s.note(more, time.as_secs_f64());
        }
    }

    /// How many batches to hold, for so many workers: one each, and some that wait.
    pub(super) fn batches_to_hold(&self, workers: usize) -> usize {
        let batch_s = self.batch_jobs.map(|jobs| jobs * self.job_s.get().unwrap_or(0.0));
        let each = batch_s.map_or(1.0, |batch| AT_HAND_S / batch.max(1e-6));
        let waiting = (each * workers as f64).ceil() as usize;
        workers + waiting.clamp(1, MOST_WAITING * workers)
    }
}

/// How many jobs have been done lately.
#[derive(Default)]
pub(super) struct Rate(VecDeque<(Instant, u64)>);

impl Rate {
    pub(super) fn add(&mut self, jobs: u64, now: Instant) {
        self.forget(now);
        self.0.push_back((now, jobs));
    }

    fn forget(&mut self, now: Instant) {
        while self.0.front().is_some_and(|&(at, _)| now - at > RATE_OVER) {
            self.0.pop_front();
        }
    }

    /// Jobs a second, over the last seconds, of which the node may have served fewer.
    pub(super) fn per_second(&mut self, now: Instant, since: Instant) -> f64 {
        self.forget(now);
        let jobs: u64 = self.0.iter().map(|&(_, jobs)| jobs).sum();
        jobs as f64 / (now - since).min(RATE_OVER).as_secs_f64().max(0.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::submit::sizing::{MOST_UNPUBLISHED, Sizing};
    use pool::WorkerId;

    fn figures(jobs: u64, busy: f64) -> Vec<WorkerStats> {
        let mut figures = WorkerStats::new(WorkerId { slot: 0, generation: 0 });
        (figures.jobs, figures.busy) = (jobs, Duration::from_secs_f64(busy));
        vec![figures]
    }

    #[test]
    fn a_batch_costs_what_recent_jobs_cost() {
        let start = Instant::now();
        let mut costs = Costs::new();
        assert!((costs.of_batch(10, || figures(10, 0.1), start) - 0.1).abs() < 1e-9);
        let same = costs.of_batch(20, || panic!("not looked at so soon"), start);
        assert!((same - 0.2).abs() < 1e-9);
        let later = start + LOOK_EVERY;
        assert!((costs.of_batch(1, || figures(20, 0.4), later) - 0.02).abs() < 1e-9, "half old, half new");
    }

    #[test]
    fn short_batches_wait_in_numbers_and_long_ones_do_not() {
        let mut costs = Costs::new();
        assert_eq!(costs.batches_to_hold(2), 4, "nothing is known");
        costs.of_batch(1, || figures(1, 1.0), Instant::now());
        assert_eq!(costs.batches_to_hold(1), 2);
        assert_eq!(costs.batches_to_hold(8), 9);
        let mut costs = Costs::new();
        costs.of_batch(1, || figures(1_000, 0.001), Instant::now());
        assert_eq!(costs.batches_to_hold(2), 34);
    }

    /// Number of batches in which a million jobs of 1 us travel, with a node whose workers have done this much before.
    fn batches_of_a_run(costs: &mut Costs, (mut jobs, mut busy): (u64, f64), mut now: Instant) -> u64 {
        let (mut left, mut batches) = (1_000_000, 0);
        let (mut complete, mut queue) = (VecDeque::new(), VecDeque::new());
        let mut sizing = Sizing::new();
        // How far the node's work is ahead of the clock, in microseconds.
        let mut ahead = 0;
        while left > 0 || !complete.is_empty() || !queue.is_empty() {
            now += Duration::from_millis(1);
            // The server takes 20 batches in a millisecond.
            queue.extend(complete.drain(..complete.len().min(20)));
            // Jobs are pushed as fast as there is room for them.
            while left > 0
                && complete.len() < MOST_UNPUBLISHED
                && complete.len() + queue.len() < sizing.batches_under_way()
            {
                let size = sizing.jobs().min(left);
                (left, batches) = (left - size, batches + 1);
                complete.push_back(size);
            }
            ahead -= 1000;
            while ahead < 0
                && let Some(size) = queue.pop_front()
            {
                // 100 us for the batch.
                ahead += 100 + size as i64;
                (jobs, busy) = (jobs + size, busy + size as f64 * 1e-6);
                let cost = costs.of_batch(size, || figures(jobs, busy), now);
                sizing.note(size, cost);
            }
            ahead = ahead.max(0);
        }
        batches
    }

    #[test]
    fn after_long_jobs_the_first_batch_of_short_ones_costs_what_it_has_cost() {
        let (start, mut costs) = (Instant::now(), Costs::new());
        costs.of_batch(100, || figures(100, 1.5), start);
        let first = costs.of_batch(FIRST, || figures(100 + FIRST, 1.500_004), start + LOOK_EVERY);
        assert!(first < 1e-5, "{first}");
        // One long job does not hide among them, and two short ones prove nothing.
        let (start, mut costs) = (Instant::now(), Costs::new());
        costs.of_batch(100, || figures(100, 1.5), start);
        let mixed = costs.of_batch(FIRST, || figures(100 + FIRST, 1.515), start + LOOK_EVERY);
        assert!(mixed > 0.01, "{mixed}");
        let few = costs.of_batch(2, || figures(106, 1.515_002), start + 2 * LOOK_EVERY);
        assert!(few > 0.005, "{few}");
    }

    #[test]
    fn after_long_jobs_a_million_short_ones_do_not_travel_in_small_batches() {
        let start = Instant::now();
        let fresh = batches_of_a_run(&mut Costs::new(), (0, 0.0), start);
        let (mut costs, mut now) = (Costs::new(), start);
        for jobs in 1..=100 {
            costs.of_batch(1, || figures(jobs, jobs as f64 * 0.015), now);
            now += LOOK_EVERY;
        }
        let after = batches_of_a_run(&mut costs, (100, 1.5), now);
        assert!(after < fresh + fresh / 4, "{after} batches instead of {fresh}");
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let start = Instant::now();
        let mut rate = Rate::default();
        rate.add(100, start + Duration::from_secs(1));
        rate.add(100, start + Duration::from_secs(2));
        assert!((rate.per_second(start + Duration::from_secs(4), start) - 50.0).abs() < 1e-9);
        assert!((rate.per_second(start + Duration::from_millis(11_500), start) - 10.0).abs() < 1e-9);
    }
}
