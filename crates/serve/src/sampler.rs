//! Choice of the jobs whose steps are timed separately.

/// One of this number of short jobs is sampled: three clock reads per job would cost more than most short
/// jobs.
const SAMPLE_INTERVAL: u32 = 256;

/// Jobs whose mean time is above this, in nanoseconds, are all sampled.
const LONG_JOB_NS: u64 = 20_000;

/// Chooses the jobs to be sampled.
#[derive(Debug)]
pub(crate) struct Sampler {
    interval: u32,
    /// Number of jobs before the next sampled one.
    left: u32,
}

impl Default for Sampler {
    fn default() -> Sampler {
        // The first job of a process is not representative.
        Sampler { interval: SAMPLE_INTERVAL, left: 1 }
    }
}

impl Sampler {
    /// Returns true if the next job is to be sampled.
    #[inline]
    pub(crate) fn next(&mut self) -> bool {
        let sampled = self.left == 0;
        self.left = if sampled { self.interval - 1 } else { self.left - 1 };
        sampled
    }

    /// Sets the interval from the time that a batch of `jobs` jobs took.
    pub(crate) fn adapt(&mut self, busy_ns: u64, jobs: u32) {
        let long = busy_ns > LONG_JOB_NS * u64::from(jobs);
        self.interval = if long { 1 } else { SAMPLE_INTERVAL };
        self.left = self.left.min(self.interval - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_few_short_jobs_and_all_long_jobs() {
        let mut sampler = Sampler::default();
        let sampled = |sampler: &mut Sampler, jobs| (0..jobs).filter(|_| sampler.next()).count();
        assert_eq!(sampled(&mut sampler, 2560), 10);
        sampler.adapt(1_000_000, 2);
        assert_eq!(sampled(&mut sampler, 10), 10);
        sampler.adapt(1_000_000, 1000);
        assert_eq!(sampled(&mut sampler, 2560), 10);
    }
}
