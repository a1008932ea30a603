//! Estimates the mean cost of a job from a stream of measurements.
//!
//! An exponentially weighted mean is slow to follow a change by orders of magnitude: from 15 ms down to 1 us
//! takes dozens of measurements, and while the estimate is too high, batches are far too small. The two
//! directions differ, however. A measurement far above the mean may be noise, because the time a worker waits
//! for a core counts as cost. A measurement far below the mean cannot be noise; it is only unknown whether
//! more cheap jobs follow. Therefore a run of such measurements replaces the mean, and a single one does not.

/// A measurement is far below the mean if it is smaller than the mean divided by this.
const FAR_BELOW: f64 = 8.0;

/// Estimate of the mean cost of a job, in the unit of the measurements.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanCost {
    weight: f64,
    cheap_jobs: u64,
    mean: Option<f64>,
    /// Number and total cost of the jobs in the current run of measurements far below the mean.
    cheap: (u64, f64),
}

impl MeanCost {
    /// Returns an estimate without measurements. Each new measurement gets this weight, between 0 and 1. The
    /// mean is replaced after `cheap_jobs` consecutive jobs that cost far less; the larger this number, the
    /// rarer are such runs by chance where costs vary.
    #[must_use]
    pub fn new(weight: f64, cheap_jobs: u64) -> MeanCost {
        MeanCost { weight, cheap_jobs, mean: None, cheap: (0, 0.0) }
    }

    /// Adds a measurement: the total cost of a number of jobs. Returns whether a run of cheap jobs replaced
    /// the mean.
    pub fn note(&mut self, jobs: u64, total: f64) -> bool {
        if jobs == 0 {
            return false;
        }
        let cost = total / jobs as f64;
        let Some(mean) = self.mean else {
            self.mean = Some(cost);
            return false;
        };
        if cost * FAR_BELOW < mean {
            self.cheap = (self.cheap.0 + jobs, self.cheap.1 + total);
            if self.cheap.0 >= self.cheap_jobs {
                self.mean = Some(self.cheap.1 / self.cheap.0 as f64);
                self.cheap = (0, 0.0);
                return true;
            }
        } else {
            self.cheap = (0, 0.0);
        }
        self.mean = Some(mean + self.weight * (cost - mean));
        false
    }

    /// Returns the mean, or `None` before the first measurement.
    #[must_use]
    pub fn get(&self) -> Option<f64> {
        self.mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP_JOBS: u64 = 32;

    fn after_long_jobs() -> MeanCost {
        let mut mean = MeanCost::new(0.125, CHEAP_JOBS);
        for _ in 0..100 {
            mean.note(1, 15e6);
        }
        mean
    }

    #[test]
    fn run_of_cheap_jobs_replaces_the_mean() {
        let mut mean = after_long_jobs();
        assert!(!mean.note(CHEAP_JOBS - 1, 1e3));
        assert!(mean.get() > Some(13e6));
        assert!(mean.note(1, 1e3));
        let expected = 2e3 / CHEAP_JOBS as f64;
        assert_eq!(mean.get(), Some(expected));
        assert!(!mean.note(1_000_000, expected * 1e6), "replaced by the same cost");
    }

    #[test]
    fn single_long_jobs_interrupt_a_run_of_cheap_ones() {
        let mut mean = after_long_jobs();
        for n in 0..10_000 {
            let cost = if n % 20 == 0 { 15e6 } else { 1e3 };
            assert!(!mean.note(1, cost), "job {n}");
        }
        assert!(mean.get() > Some(1e5), "{mean:?}");
    }

    #[test]
    fn measurement_above_the_mean_counts_by_its_weight() {
        let mut mean = MeanCost::new(0.125, CHEAP_JOBS);
        mean.note(1000, 1e6);
        mean.note(1, 9e3);
        assert_eq!(mean.get(), Some(2e3));
        mean.note(0, 1e9);
        assert_eq!(mean.get(), Some(2e3));
    }
}
