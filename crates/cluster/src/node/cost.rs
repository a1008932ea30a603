//! Costs of jobs on this node, and the number of messages it should have in flight.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use pool::metrics::WorkerStats;
use sched::MeanCost;

use crate::submit::sizing::FIRST_JOBS;

/// Minimum interval between two samples of the workers' statistics: with many workers that have been
/// replaced, the list is long.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(10);

/// Waiting messages keep each worker busy for about this long, in seconds. That is many round trips to the
/// server.
const PREFETCH_S: f64 = 0.05;

/// Maximum number of waiting messages per worker.
const MAX_PREFETCH: usize = 16;

/// Weight of the latest sample in the mean cost of a job. The mean is replaced after as many cheap jobs as
/// the first message of a run has: its submitter sizes messages by that cost. A wrong replacement costs
/// little, because messages grow at most fourfold from what has come back.
const SAMPLE_WEIGHT: f64 = 0.5;

/// Weight of the latest message in the mean number of jobs.
const MESSAGE_WEIGHT: f64 = 0.3;

/// Window of the throughput.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// Mean costs, measured by the workers.
pub(super) struct Costs {
    sampled_at: Option<Instant>,
    jobs: u64,
    busy: Duration,
    /// Mean cost of a job in seconds of worker time.
    job_s: MeanCost,
    /// Mean number of jobs of recent messages.
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

    /// Returns the cost of a message that has just finished, in seconds of worker time. Messages run side by
    /// side, so this is the mean cost of the jobs that finished lately.
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

    /// Returns how many messages a node with this many workers should have in flight: one for each worker,
    /// and some that wait.
    pub(super) fn max_in_flight(&self, workers: usize) -> usize {
        let message_s = self.message_jobs.map(|jobs| jobs * self.job_s.get().unwrap_or(0.0));
        let each = message_s.map_or(1.0, |message| PREFETCH_S / message.max(1e-6));
        let waiting = (each * workers as f64).ceil() as usize;
        workers + waiting.clamp(1, MAX_PREFETCH * workers)
    }
}

/// Throughput of the last seconds.
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

    /// Returns jobs per second within the window, or since `since` if that is later.
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
    use pool::metrics::WorkerId;

    fn stats(jobs: u64, busy: f64) -> Vec<WorkerStats> {
        let mut stats = WorkerStats::new(WorkerId { slot: 0, generation: 0 });
        (stats.jobs, stats.busy) = (jobs, Duration::from_secs_f64(busy));
        vec![stats]
    }

    #[test]
    fn message_cost_is_the_mean_of_recent_jobs() {
        let start = Instant::now();
        let mut costs = Costs::new();
        assert!((costs.message_cost(10, || stats(10, 0.1), start) - 0.1).abs() < 1e-9);
        let same = costs.message_cost(20, || panic!("sampled too soon"), start);
        assert!((same - 0.2).abs() < 1e-9);
        let later = start + SAMPLE_INTERVAL;
        assert!((costs.message_cost(1, || stats(20, 0.4), later) - 0.02).abs() < 1e-9, "half old, half new");
    }

    #[test]
    fn prefetches_many_short_messages_and_few_long_ones() {
        let mut costs = Costs::new();
        assert_eq!(costs.max_in_flight(2), 4, "no cost is known");
        costs.message_cost(1, || stats(1, 1.0), Instant::now());
        assert_eq!(costs.max_in_flight(1), 2);
        assert_eq!(costs.max_in_flight(8), 9);
        let mut costs = Costs::new();
        costs.message_cost(1, || stats(1_000, 0.001), Instant::now());
        assert_eq!(costs.max_in_flight(2), 34);
    }

    /// Number of messages that carry a million jobs of 1 us, on a node whose workers have done this much
    /// before.
    fn messages_of_a_run(costs: &mut Costs, (mut jobs, mut busy): (u64, f64), mut now: Instant) -> u64 {
        let (mut left, mut messages) = (1_000_000, 0);
        let (mut complete, mut queue) = (VecDeque::new(), VecDeque::new());
        let mut sizing = Sizing::new();
        // Work of the node that is ahead of the clock, in microseconds.
        let mut ahead = 0;
        while left > 0 || !complete.is_empty() || !queue.is_empty() {
            now += Duration::from_millis(1);
            // The server stores 20 messages per millisecond.
            queue.extend(complete.drain(..complete.len().min(20)));
            // Jobs are pushed as fast as there is capacity.
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
                // Each message costs 100 us.
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
    fn first_message_of_short_jobs_after_long_ones_has_its_own_cost() {
        let (start, mut costs) = (Instant::now(), Costs::new());
        costs.message_cost(100, || stats(100, 1.5), start);
        let first =
            costs.message_cost(FIRST_JOBS, || stats(100 + FIRST_JOBS, 1.500_004), start + SAMPLE_INTERVAL);
        assert!(first < 1e-5, "{first}");
        // One long job is not hidden by cheap ones, and two cheap jobs are not evidence.
        let (start, mut costs) = (Instant::now(), Costs::new());
        costs.message_cost(100, || stats(100, 1.5), start);
        let mixed =
            costs.message_cost(FIRST_JOBS, || stats(100 + FIRST_JOBS, 1.515), start + SAMPLE_INTERVAL);
        assert!(mixed > 0.01, "{mixed}");
        let few = costs.message_cost(2, || stats(106, 1.515_002), start + 2 * SAMPLE_INTERVAL);
        assert!(few > 0.005, "{few}");
    }

    #[test]
    fn short_jobs_after_long_ones_are_not_sent_in_small_messages() {
        let start = Instant::now();
        let fresh = messages_of_a_run(&mut Costs::new(), (0, 0.0), start);
        let (mut costs, mut now) = (Costs::new(), start);
        for jobs in 1..=100 {
            costs.message_cost(1, || stats(jobs, jobs as f64 * 0.015), now);
            now += SAMPLE_INTERVAL;
        }
        let after = messages_of_a_run(&mut costs, (100, 1.5), now);
        assert!(after < fresh + fresh / 4, "{after} messages instead of {fresh}");
    }

    #[test]
    fn rate_covers_the_last_seconds() {
        let start = Instant::now();
        let mut rate = Rate::default();
        rate.add(100, start + Duration::from_secs(1));
        rate.add(100, start + Duration::from_secs(2));
        assert!((rate.per_second(start + Duration::from_secs(4), start) - 50.0).abs() < 1e-9);
        assert!((rate.per_second(start + Duration::from_millis(11_500), start) - 10.0).abs() < 1e-9);
    }
}
