//! Predicts the time of a job from the costs of other jobs. `docs/src/model.md` derives the formulas.

use crate::report::{CurvePoint, Limit};

/// Work in a batch that the scheduler aims at, in nanoseconds.
const BATCH_NS: f64 = 1e6;

/// Measured costs of jobs of one grain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// The work in a job, in nanoseconds.
    pub(crate) grain_ns: f64,
    pub(crate) jobs_in_batch: f64,
    /// Processor time of the parent for a job, in nanoseconds.
    pub(crate) parent_ns: f64,
    /// Processor time of a worker for a job beside its work, in nanoseconds.
    pub(crate) worker_ns: f64,
    /// Core time for a job that was idle although there were enough workers, in nanoseconds.
    pub(crate) idle_ns: f64,
}

/// Costs of jobs on worker processes, fitted to samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FittedCosts {
    pub(crate) parent: Cost,
    pub(crate) worker: Cost,
    /// Time in which cores are idle while a thread or process is woken.
    pub(crate) idle: Cost,
    /// Largest number of jobs in a batch.
    max_jobs_in_batch: f64,
    cores: f64,
}

/// A cost for each job and an additional one for each batch, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    pub(crate) job: f64,
    pub(crate) batch: f64,
}

impl FittedCosts {
    /// Fits costs to the samples by least squares; `None` without samples.
    pub(crate) fn fit(samples: &[Sample], cores: usize) -> Option<FittedCosts> {
        let max_jobs_in_batch = samples.iter().map(|sample| sample.jobs_in_batch).reduce(f64::max)?;
        let fit = |cost: fn(&Sample) -> f64| Cost::fit(samples, cost);
        Some(FittedCosts {
            parent: fit(|sample| sample.parent_ns),
            worker: fit(|sample| sample.worker_ns),
            idle: fit(|sample| sample.idle_ns),
            max_jobs_in_batch,
            cores: cores as f64,
        })
    }

    /// Predicted time for a job on `workers` workers, in nanoseconds.
    pub(crate) fn time(&self, grain_ns: f64, workers: usize) -> f64 {
        let jobs_in_batch = (BATCH_NS / grain_ns).clamp(1.0, self.max_jobs_in_batch.max(1.0));
        let (parent, worker) = (self.parent.of(jobs_in_batch), grain_ns + self.worker.of(jobs_in_batch));
        // The bound is the workers, or the cores that all processes share, or the parent, which uses at most
        // one core.
        let by_workers = worker / self.cores.min(workers as f64);
        let by_cores = (parent + worker + self.idle.of(jobs_in_batch)) / self.cores;
        by_workers.max(by_cores).max(parent)
    }

    /// Predicted speedup over the plain loop.
    pub(crate) fn speedup(&self, grain_ns: f64, workers: usize) -> f64 {
        grain_ns / self.time(grain_ns, workers)
    }

    /// Smallest grain at which `workers` workers are faster than the plain loop, in nanoseconds; `None` if
    /// they never are.
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

    /// Number of workers that a parent with a core of its own can keep busy.
    pub(crate) fn limit(&self, grain_ns: f64) -> Limit {
        let jobs_in_batch = (BATCH_NS / grain_ns).clamp(1.0, self.max_jobs_in_batch.max(1.0));
        let (parent, worker) = (self.parent.of(jobs_in_batch), grain_ns + self.worker.of(jobs_in_batch));
        Limit { grain_ns, workers: worker / parent.max(1.0) }
    }

    /// Predicted speedups for grains from 10 ns to 1 s.
    pub(crate) fn curve(&self, workers: usize) -> Vec<CurvePoint> {
        let grains = (0..=80).map(|step| 10_f64.powf(1.0 + f64::from(step) / 10.0));
        grains
            .map(|grain_ns| CurvePoint { grain_ns, workers, speedup: self.speedup(grain_ns, workers) })
            .collect()
    }
}

impl Cost {
    /// Least squares of `cost = job + batch / jobs in a batch`. The error of a cost grows with the length of
    /// the job, so samples of long jobs have less weight.
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
        // A negative cost of a batch is noise.
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
    fn fit_recovers_the_costs() {
        let costs = FittedCosts::fit(&samples(), 2).unwrap();
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
    fn parent_and_workers_share_two_cores() {
        let costs = FittedCosts::fit(&samples(), 2).unwrap();
        // (1000 + 28 + 100 + 10) / 2, including the share of the batch's cost.
        assert!((costs.time(1e3, 2) - 569.0).abs() < 1.0, "{}", costs.time(1e3, 2));
        assert!((costs.speedup(1e8, 2) - 2.0).abs() < 0.01);
        assert!((costs.time(1e4, 1) - 10_100.0).abs() < 1.0, "one worker uses one core");
        let even = costs.break_even(2).unwrap();
        assert!((110.0..130.0).contains(&even), "costs of both sides, and idle cores: {even}");
        assert!((costs.speedup(even, 2) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn workers_beyond_the_parents_limit_do_not_help() {
        let costs = FittedCosts::fit(&samples(), 64).unwrap();
        let limit = costs.limit(1e3).workers;
        assert!((9.0..13.0).contains(&limit), "{limit}");
        assert!((costs.time(1e3, 64) - costs.time(1e3, 32)).abs() < 1e-9);
        assert_eq!(FittedCosts::fit(&[], 2), None);
    }
}
