//! The mean cost of a job, from measurements that come one by one.
//!
//! An exponentially weighted mean follows a change by orders of magnitude only slowly: from 15 ms down to 1 us it takes
//! dozens of measurements, and as long as it is too high, jobs travel in batches that are far too small. The two directions
//! differ, though. A measurement far above the mean may be noise, because a worker that waits for a core is charged for the
//! wait. One far below the mean cannot be noise; the only question is whether more cheap jobs follow. So a run of
//! such measurements replaces the mean, and a single one does not.

/// A measurement is far below the mean if it is less than one part in this.
const FAR_BELOW: f64 = 8.0;

/// The mean cost of a job, in the unit of the measurements.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanCost {
    weight: f64,
    cheap_jobs: u64,
    mean: Option<f64>,
    /// Number and total cost of the latest jobs, as long as all of them cost far less than the mean.
    cheap: (u64, f64),
}

impl MeanCost {
    /// A mean without measurements, in which each new one has this weight, between 0 and 1. It is replaced after this many jobs in a row
    /// that cost far less: the more, the rarer are such runs where costs are mixed.
    #[must_use]
    pub fn new(weight: f64, cheap_jobs: u64) -> MeanCost {
        MeanCost { weight, cheap_jobs, mean: None, cheap: (0, 0.0) }
    }

    /// Adds a measurement: the total cost of a number of jobs. Returns whether it replaced the mean.
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

    /// The mean; `None` before the first measurement.
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
    fn a_run_of_cheap_jobs_replaces_the_mean_and_a_few_do_not() {
        let mut mean = after_long_jobs();
        assert!(!mean.note(CHEAP_JOBS - 1, 1e3));
        assert!(mean.get() > Some(13e6));
        assert!(mean.note(1, 1e3));
        let expected = 2e3 / CHEAP_JOBS as f64;
        assert_eq!(mean.get(), Some(expected));
        assert!(!mean.note(1_000_000, expected * 1e6), "the same is no news");
    }

    #[test]
    fn a_long_job_among_cheap_ones_keeps_the_mean() {
        let mut mean = after_long_jobs();
        for n in 0..10_000 {
            let cost = if n % 20 == 0 { 15e6 } else { 1e3 };
            assert!(!mean.note(1, cost), "job {n}");
        }
        assert!(mean.get() > Some(1e5), "{mean:?}");
    }

    #[test]
    fn a_single_measurement_above_the_mean_counts_by_its_weight() {
        let mut mean = MeanCost::new(0.125, CHEAP_JOBS);
        mean.note(1000, 1e6);
        mean.note(1, 9e3);
        assert_eq!(mean.get(), Some(2e3));
        mean.note(0, 1e9);
        assert_eq!(mean.get(), Some(2e3));
    }
}
