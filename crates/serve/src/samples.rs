//! Which jobs' steps are told apart.

/// One of so many short jobs: three looks at the clock for each would cost more than most of them.
const ONE_OF: u32 = 256;

/// Jobs that take longer, in nanoseconds, are all looked at.
const LONG_NS: u64 = 20_000;

/// Chooses the jobs.
#[derive(Debug)]
pub(crate) struct Samples {
    one_of: u32,
    /// How many jobs come before the next that is looked at.
    left: u32,
}

impl Default for Samples {
    fn default() -> Samples {
        // The first job of a process is no example of the others.
        Samples { one_of: ONE_OF, left: 1 }
    }
}

impl Samples {
    /// Whether the next job is one of them.
    #[inline]
    pub(crate) fn next(&mut self) -> bool {
        let chosen = self.left == 0;
        self.left = if chosen { self.one_of - 1 } else { self.left - 1 };
        chosen
    }

    /// A batch of so many jobs took so long.
    pub(crate) fn learn(&mut self, busy_ns: u64, jobs: u32) {
        let long = busy_ns > LONG_NS * u64::from(jobs);
        self.one_of = if long { 1 } else { ONE_OF };
        self.left = self.left.min(self.one_of - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_short_jobs_and_every_long_one() {
        let mut samples = Samples::default();
        let chosen = |samples: &mut Samples, jobs| (0..jobs).filter(|_| samples.next()).count();
        assert_eq!(chosen(&mut samples, 2560), 10);
        samples.learn(1_000_000, 2);
        assert_eq!(chosen(&mut samples, 10), 10);
        samples.learn(1_000_000, 1000);
        assert_eq!(chosen(&mut samples, 2560), 10);
    }
}
