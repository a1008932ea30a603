//! What jobs cost here, and how much a node should have at hand.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use pool::WorkerStats;
use sched::MeanCost;

use crate::submit::sizing::FIRST_JOBS;

/// Looked at no more often than this: with many workers that have come and gone it is a long list.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(10);

/// What a node has waiting keeps each worker busy for about so long, which is many round trips to the server.
const PREFETCH_S: f64 = 0.05;

/// The most batches that wait for each worker, however short.
const MAX_PREFETCH: usize = 16;

/// The weight of what was measured since the last look in the mean cost of a job. The mean is replaced by as many cheap jobs as the
/// first batch of a run has: its submitter learns the cost from that, and a wrong one costs little, because batches grow only
/// fourfold from what has come back.
const SAMPLE_WEIGHT: f64 = 0.5;

/// The weight of the latest batch in the mean number of jobs.
const MESSAGE_WEIGHT: f64 = 0.3;

/// The rate is that of so many seconds.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// Mean costs, by what the workers say.
pub(super) struct Costs {
    sampled_at: Option<Instant>,
    jobs: u64,
    busy: Duration,
    /// Mean cost of a job, in seconds of one worker.
    job_s: MeanCost,
    /// Mean number of jobs of recent batches.
    message_jobs: Option<f64>,
}

impl Costs {
    pub(super) fn new() -> Costs {
        Costs {
            sampled_at: None,
            jobs: 0,
            busy: Duration::ZERO,
            job_s: MeanCost::new(SAMPLE_WEIGHT, FIRST_JOBS),
            message_jobs: None,
        }
    }

    /// The cost of a batch that has just ended, in seconds of one worker. Batches run side by side, so it is the mean cost
    /// of the jobs that ended lately.
    pub(super) fn message_cost(
        &mut self,
        count: u64,
        stats: impl FnOnce() -> Vec<WorkerStats>,
        now: Instant,
    ) -> f64 {
        if self.sampled_at.is_none_or(|sampled_at| now - sampled_at >= SAMPLE_INTERVAL) {
            self.sampled_at = Some(now);
            self.sample(&stats());
        }
        let jobs = count as f64;
        self.message_jobs =
            Some(self.message_jobs.map_or(jobs, |mean| mean + MESSAGE_WEIGHT * (jobs - mean)));
        self.job_s.get().unwrap_or(0.0) * jobs
    }

    fn sample(&mut self, stats: &[WorkerStats]) {
        let jobs: u64 = stats.iter().map(|worker| worker.jobs).sum();
        let busy: Duration = stats.iter().map(|worker| worker.busy).sum();
        let (more, time) = (jobs.saturating_sub(self.jobs), busy.saturating_sub(self.busy));
        if more > 0 {
            (self.jobs, self.busy) = (jobs, busy);
            self.job_s.note(more, time.as_secs_f64());
        }
    }

    /// How many batches to hold, for so many workers: one each, and some that wait.
    pub(super) fn max_in_flight(&self, workers: usize) -> usize {
        let message_s = self.message_jobs.map(|jobs| jobs * self.job_s.get().unwrap_or(0.0));
        let each = message_s.map_or(1.0, |message| PREFETCH_S / message.max(1e-6));
        let waiting = (each * workers as f64).ceil() as usize;
        workers + waiting.clamp(1, MAX_PREFETCH * workers)
    }
}

/// How many jobs have been done lately.
#[derive(Default)]
pub(super) struct Rate(VecDeque<(Instant, u64)>);

impl Rate {
    pub(super) fn add(&mut self, jobs: u64, now: Instant) {
        self.expire(now);
        self.0.push_back((now, jobs));
    }

    fn expire(&mut self, now: Instant) {
        while self.0.front().is_some_and(|&(at, _)| now - at > RATE_WINDOW) {
            self.0.pop_front();
        }
    }

    /// Jobs a second, over the last seconds, of which the node may have served fewer.
    pub(super) fn per_second(&mut self, now: Instant, since: Instant) -> f64 {
        self.expire(now);
        let jobs: u64 = self.0.iter().map(|&(_, jobs)| jobs).sum();
        jobs as f64 / (now - since).min(RATE_WINDOW).as_secs_f64().max(0.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::submit::sizing::{MAX_UNPUBLISHED, Sizing};
    use pool::WorkerId;

    fn stats(jobs: u64, busy: f64) -> Vec<WorkerStats> {
        let mut stats = WorkerStats::new(WorkerId { slot: 0, generation: 0 });
        (stats.jobs, stats.busy) = (jobs, Duration::from_secs_f64(busy));
        vec![stats]
    }

    #[test]
    fn a_batch_costs_what_recent_jobs_cost() {
        let start = Instant::now();
        let mut costs = Costs::new();
        assert!((costs.message_cost(10, || stats(10, 0.1), start) - 0.1).abs() < 1e-9);
        let same = costs.message_cost(20, || panic!("not looked at so soon"), start);
        assert!((same - 0.2).abs() < 1e-9);
        let later = start + SAMPLE_INTERVAL;
        assert!((costs.message_cost(1, || stats(20, 0.4), later) - 0.02).abs() < 1e-9, "half old, half new");
    }

    #[test]
    fn short_batches_wait_in_numbers_and_long_ones_do_not() {
        let mut costs = Costs::new();
        assert_eq!(costs.max_in_flight(2), 4, "nothing is known");
        costs.message_cost(1, || stats(1, 1.0), Instant::now());
        assert_eq!(costs.max_in_flight(1), 2);
        assert_eq!(costs.max_in_flight(8), 9);
        let mut costs = Costs::new();
        costs.message_cost(1, || stats(1_000, 0.001), Instant::now());
        assert_eq!(costs.max_in_flight(2), 34);
    }

    /// Number of batches in which a million jobs of 1 us travel, with a node whose workers have done this much before.
    fn messages_of_a_run(costs: &mut Costs, (mut jobs, mut busy): (u64, f64), mut now: Instant) -> u64 {
        let (mut left, mut messages) = (1_000_000, 0);
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
                && complete.len() < MAX_UNPUBLISHED
                && complete.len() + queue.len() < sizing.max_in_flight()
            {
                let size = sizing.jobs().min(left);
                (left, messages) = (left - size, messages + 1);
                complete.push_back(size);
            }
            ahead -= 1000;
            while ahead < 0
                && let Some(size) = queue.pop_front()
            {
                // 100 us for the batch.
                ahead += 100 + size as i64;
                (jobs, busy) = (jobs + size, busy + size as f64 * 1e-6);
                let cost = costs.message_cost(size, || stats(jobs, busy), now);
                sizing.note(size, cost);
            }
            ahead = ahead.max(0);
        }
        messages
    }

    #[test]
    fn after_long_jobs_the_first_batch_of_short_ones_costs_what_it_has_cost() {
        let (start, mut costs) = (Instant::now(), Costs::new());
        costs.message_cost(100, || stats(100, 1.5), start);
        let first =
            costs.message_cost(FIRST_JOBS, || stats(100 + FIRST_JOBS, 1.500_004), start + SAMPLE_INTERVAL);
        assert!(first < 1e-5, "{first}");
        // One long job does not hide among them, and two short ones prove nothing.
        let (start, mut costs) = (Instant::now(), Costs::new());
        costs.message_cost(100, || stats(100, 1.5), start);
        let mixed =
            costs.message_cost(FIRST_JOBS, || stats(100 + FIRST_JOBS, 1.515), start + SAMPLE_INTERVAL);
        assert!(mixed > 0.01, "{mixed}");
        let few = costs.message_cost(2, || stats(106, 1.515_002), start + 2 * SAMPLE_INTERVAL);
        assert!(few > 0.005, "{few}");
    }

    #[test]
    fn after_long_jobs_a_million_short_ones_do_not_travel_in_small_batches() {
        let start = Instant::now();
        let fresh = messages_of_a_run(&mut Costs::new(), (0, 0.0), start);
        let (mut costs, mut now) = (Costs::new(), start);
        for jobs in 1..=100 {
            costs.message_cost(1, || stats(jobs, jobs as f64 * 0.015), now);
            now += SAMPLE_INTERVAL;
        }
        let after = messages_of_a_run(&mut costs, (100, 1.5), now);
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
