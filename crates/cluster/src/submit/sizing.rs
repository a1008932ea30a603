//! How many jobs to a batch. Pure.

/// A batch is to keep one worker busy for so long: long beside what a batch costs the server, and short enough for many
/// nodes to share the end of a run.
const BATCH_S: f64 = 0.05;

/// The first batches, of whose jobs nothing is known.
const FIRST: u64 = 4;

/// What grows faster has not been measured.
const GROWTH: u64 = 4;

/// The most jobs in a batch.
pub(crate) const MOST_JOBS: u64 = 1 << 16;

/// The most bytes of jobs in a batch, if it has more than one.
pub(crate) const MOST_BYTES: usize = 256 << 10;

/// Batches that may be under way while their size is still being found.
const LEARNING: usize = 128;

/// Batches that may be under way at all: as many as nodes may hold.
const MOST_UNDER_WAY: usize = 16_384;

/// Learns from results what jobs cost.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sizing {
    job_s: Option<f64>,
    /// The largest batch that has come back.
    proven: u64,
}

impl Sizing {
    pub(crate) fn new() -> Sizing {
        Sizing { job_s: None, proven: 1 }
    }

    /// Hears that so many jobs have taken so many seconds of one worker.
    pub(crate) fn note(&mut self, jobs: u64, seconds: f64) {
        if jobs == 0 || !seconds.is_finite() || seconds < 0.0 {
            return;
        }
        let cost = seconds / jobs as f64;
        self.job_s = Some(self.job_s.map_or(cost, |mean| 0.8 * mean + 0.2 * cost));
        self.proven = self.proven.max(jobs);
    }

    /// How many jobs the next batch may have; at least one.
    pub(crate) fn jobs(&self) -> u64 {
        match self.job_s {
            None => FIRST,
            Some(cost) => self.wanted(cost).min(self.proven.saturating_mul(GROWTH)),
        }
    }

    fn wanted(&self, cost: f64) -> u64 {
        let wanted = BATCH_S / cost.max(1e-9);
        (wanted as u64).clamp(1, MOST_JOBS)
    }

    /// How many batches may be under way: few while a larger size may turn out to be right, because what is under way
    /// cannot be made larger any more.
    pub(crate) fn batches_under_way(&self) -> usize {
        match self.job_s {
            Some(cost) if self.wanted(cost) <= self.proven.saturating_mul(GROWTH) => MOST_UNDER_WAY,
            _ => LEARNING,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn batches_grow_fourfold_until_they_take_fifty_milliseconds() {
        // A power of two, so that sums are exact: about 8 us a job.
        let job_s = 1.0 / 131_072.0;
        let mut sizing = Sizing::new();
        let mut sizes = Vec::new();
        while sizing.batches_under_way() == LEARNING {
            sizes.push(sizing.jobs());
            sizing.note(sizing.jobs(), sizing.jobs() as f64 * job_s);
        }
        assert_eq!(sizes, [4, 16, 64, 256, 1024, 4096]);
        assert_eq!(sizing.jobs(), 6553, "of 7.6 us each in 50 ms");
    }

    #[test]
    fn long_jobs_travel_alone() {
        let mut sizing = Sizing::new();
        sizing.note(4, 4.0 * 0.06);
        assert_eq!((sizing.jobs(), sizing.batches_under_way()), (1, MOST_UNDER_WAY));
    }

    proptest! {
        #[test]
        fn whatever_is_heard_batches_have_at_least_one_job(notes in proptest::collection::vec((0u64..1 << 20, any::<f64>()), 0..50)) {
            let mut sizing = Sizing::new();
            for (jobs, seconds) in notes {
                sizing.note(jobs, seconds);
                prop_assert!((1..=MOST_JOBS).contains(&sizing.jobs()));
            }
        }
    }
}
