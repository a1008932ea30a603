//! What a job will cost, from what other jobs have cost. `docs/model.md` derives it.

use crate::report::{Limit, Point};

/// How long a batch's jobs should keep a worker busy, in nanoseconds: the scheduler's target.
const BATCH_NS: f64 = 1e6;

/// What was seen of jobs of one grain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// The work in a job, in nanoseconds.
    pub(crate) grain_ns: f64,
    pub(crate) jobs_in_batch: f64,
    /// Processor time of the parent for a job, in nanoseconds.
    pub(crate) parent_ns: f64,
    /// Processor time of a worker for a job beside its work, in nanoseconds.
    pub(crate) worker_ns: f64,
    /// Time of cores for a job that nobody used although there were workers enough, in nanoseconds.
    pub(crate) idle_ns: f64,
}

/// What processes cost here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Costs {
    pub(crate) parent: Cost,
    pub(crate) worker: Cost,
    /// Cores stand still while somebody is woken.
    pub(crate) idle: Cost,
    /// The most jobs that a batch takes.
    most_in_batch: f64,
    cores: f64,
}

/// Something that is paid for each job, and once more for each batch, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    pub(crate) job: f64,
    pub(crate) batch: f64,
}

impl Costs {
    /// The costs that fit the samples best; `None` without any.
    pub(crate) fn fit(samples: &[Sample], cores: usize) -> Option<Costs> {
        let most_in_batch = samples.iter().map(|sample| sample.jobs_in_batch).reduce(f64::max)?;
        let fit = |cost: fn(&Sample) -> f64| Cost::fit(samples, cost);
        Some(Costs {
            parent: fit(|sample| sample.parent_ns),
            worker: fit(|sample| sample.worker_ns),
            idle: fit(|sample| sample.idle_ns),
            most_in_batch,
            cores: cores as f64,
        })
    }

    /// The time for a job on so many workers, in nanoseconds.
    pub(crate) fn time(&self, grain_ns: f64, workers: usize) -> f64 {
        let jobs_in_batch = (BATCH_NS / grain_ns).clamp(1.0, self.most_in_batch.max(1.0));
        let (parent, worker) = (self.parent.of(jobs_in_batch), grain_ns + self.worker.of(jobs_in_batch));
        // Workers limit, or the cores that everybody shares, or the parent, which is no faster than one core.
        let by_workers = worker / self.cores.min(workers as f64);
        let by_cores = (parent + worker + self.idle.of(jobs_in_batch)) / self.cores;
        by_workers.max(by_cores).max(parent)
    }

    /// How many times faster than no executor.
    pub(crate) fn speedup(&self, grain_ns: f64, workers: usize) -> f64 {
        grain_ns / self.time(grain_ns, workers)
    }

    /// From this grain on so many workers are faster than none, in nanoseconds; `None` if they never are.
    pub(crate) fn break_even(&self, workers: usize) -> Option<f64> {
        let (mut low, mut high) = (1.0_f64, 1e10);
        if self.speedup(high, workers) <= 1.0 {
            return None;
        }
        for _ in 0..60 {
            let middle = (low * high).sqrt();
            if self.speedup(middle, workers) > 1.0 { high = middle } else { low = middle }
        }
        Some(high)
    }

    /// How many workers a parent with a core for itself can keep busy.
    pub(crate) fn limit(&self, grain_ns: f64) -> Limit {
        let jobs_in_batch = (BATCH_NS / grain_ns).clamp(1.0, self.most_in_batch.max(1.0));
        let (parent, worker) = (self.parent.of(jobs_in_batch), grain_ns + self.worker.of(jobs_in_batch));
        Limit { grain_ns, workers: worker / parent.max(1.0) }
    }

    /// The speedup to expect for grains from 10 ns to a second.
    pub(crate) fn curve(&self, workers: usize) -> Vec<Point> {
        let grains = (0..=80).map(|step| 10_f64.powf(1.0 + f64::from(step) / 10.0));
        grains.map(|grain_ns| Point { grain_ns, workers, speedup: self.speedup(grain_ns, workers) }).collect()
    }
}

impl Cost {
    /// Least squares of `cost = job + batch / jobs in a batch`. What long jobs have cost is known less exactly, in
    /// proportion to their length, and counts less.
    fn fit(samples: &[Sample], cost: impl Fn(&Sample) -> f64) -> Cost {
        let (mut w, mut wx, mut wy, mut wxx, mut wxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for sample in samples {
            let (x, y) = (1.0 / sample.jobs_in_batch.max(1.0), cost(sample));
            let weight = 1.0 / (100.0 + sample.grain_ns).powi(2);
            w += weight;
            wx += weight * x;
            wy += weight * y;
            wxx += weight * x * x;
            wxy += weight * x * y;
        }
        let spread = w * wxx - wx * wx;
        let batch = if spread > 1e-12 * w * wxx { (w * wxy - wx * wy) / spread } else { 0.0 };
        // A batch that costs less than nothing is noise.
        let batch = batch.max(0.0);
        Cost { job: ((wy - batch * wx) / w).max(0.0), batch }
    }

    fn of(self, jobs_in_batch: f64) -> f64 {
        self.job + self.batch / jobs_in_batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Sample> {
        let sample = |grain_ns: f64| {
            let jobs_in_batch = (1e6 / grain_ns).clamp(1.0, 3000.0);
            Sample {
                grain_ns,
                jobs_in_batch,
                parent_ns: 80.0 + 20_000.0 / jobs_in_batch,
                worker_ns: 20.0 + 8_000.0 / jobs_in_batch,
                idle_ns: 10.0,
            }
        };
        [1e2, 1e3, 1e4, 1e5, 1e6, 1e7].map(sample).to_vec()
    }

    #[test]
    fn costs_are_found_again() {
        let costs = Costs::fit(&samples(), 2).unwrap();
        assert!(
            (costs.parent.job - 80.0).abs() < 0.1 && (costs.parent.batch - 20_000.0).abs() < 10.0,
            "{costs:?}"
        );
        assert!(
            (costs.worker.job - 20.0).abs() < 0.1 && (costs.worker.batch - 8_000.0).abs() < 10.0,
            "{costs:?}"
        );
    }

    #[test]
    fn two_cores_are_shared_by_all() {
        let costs = Costs::fit(&samples(), 2).unwrap();
        // (1000 + 28 + 100 + 10) / 2, with the batch's share.
        assert!((costs.time(1e3, 2) - 569.0).abs() < 1.0, "{}", costs.time(1e3, 2));
        assert!((costs.speedup(1e8, 2) - 2.0).abs() < 0.01);
        assert!((costs.time(1e4, 1) - 10_100.0).abs() < 1.0, "one worker is one core's work");
        let even = costs.break_even(2).unwrap();
        assert!((110.0..130.0).contains(&even), "what both sides pay, and idle cores: {even}");
        assert!((costs.speedup(even, 2) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn more_workers_than_the_parent_can_feed_do_not_help() {
        let costs = Costs::fit(&samples(), 64).unwrap();
        let limit = costs.limit(1e3).workers;
        assert!((9.0..13.0).contains(&limit), "{limit}");
        assert!((costs.time(1e3, 64) - costs.time(1e3, 32)).abs() < 1e-9);
        assert_eq!(Costs::fit(&[], 2), None);
    }
}
