//! What jobs cost here, and how much a node should have at hand.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use pool::WorkerFigures;

/// Looked at no more often than this: with many workers that have come and gone it is a long list.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a node has waiting keeps each worker busy for about so long, which is many round trips to the server.
const AT_HAND_S: f64 = 0.05;

/// The most batches that wait for each worker, however short.
const MOST_WAITING: usize = 16;

/// The rate is that of so many seconds.
const RATE_OVER: Duration = Duration::from_secs(10);

/// Mean costs, by what the workers say.
pub(super) struct Costs {
    looked: Option<Instant>,
    jobs: u64,
    busy: Duration,
    /// Seconds of a worker for a job, recently.
    job_s: Option<f64>,
    /// Seconds of a worker for a batch, recently.
    batch_s: Option<f64>,
}

impl Costs {
    pub(super) fn new() -> Costs {
        Costs { looked: None, jobs: 0, busy: Duration::ZERO, job_s: None, batch_s: None }
    }

    /// The cost of a batch that has just ended, in seconds of one worker. Batches run side by side, so it is the mean cost
    /// of the jobs that ended lately.
    pub(super) fn of_batch(
        &mut self,
        count: u64,
        figures: impl FnOnce() -> Vec<WorkerFigures>,
        now: Instant,
    ) -> f64 {
        if self.looked.is_none_or(|looked| now - looked >= LOOK_EVERY) {
            self.looked = Some(now);
            self.look(&figures());
        }
        let cost = self.job_s.unwrap_or(0.0) * count as f64;
        self.batch_s = Some(self.batch_s.map_or(cost, |mean| 0.7 * mean + 0.3 * cost));
        cost
    }

    fn look(&mut self, figures: &[WorkerFigures]) {
        let jobs: u64 = figures.iter().map(|worker| worker.jobs).sum();
        let busy: Duration = figures.iter().map(|worker| worker.busy).sum();
        let (more, time) = (jobs.saturating_sub(self.jobs), busy.saturating_sub(self.busy));
        if more > 0 {
            (self.jobs, self.busy) = (jobs, busy);
            let cost = time.as_secs_f64() / more as f64;
            self.job_s = Some(self.job_s.map_or(cost, |mean| 0.5 * mean + 0.5 * cost));
        }
    }

    /// How many batches to hold, for so many workers: one each, and some that wait.
    pub(super) fn batches_to_hold(&self, workers: usize) -> usize {
        let each = self.batch_s.map_or(1.0, |batch| AT_HAND_S / batch.max(1e-6));
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
    use pool::WorkerId;

    fn figures(jobs: u64, busy: f64) -> Vec<WorkerFigures> {
        let mut figures = WorkerFigures::new(WorkerId { slot: 0, generation: 0 });
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
