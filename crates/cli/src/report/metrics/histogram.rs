//! Histogram of durations.

use std::time::Duration;

/// Upper bounds of the buckets in seconds, in the usual steps around a second and coarser elsewhere.
pub(super) const BOUNDS: [f64; 18] = [
    0.000_01, 0.000_1, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 1800.0,
];

/// Histogram of durations.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    /// Numbers of durations by the first bound that is not exceeded. Longer ones are only in `count`.
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: Duration,
}

impl Histogram {
    pub(super) fn add(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BOUNDS.partition_point(|&bound| bound < seconds);
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum += duration;
    }

    /// Number of durations.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Sum of the durations in seconds.
    pub(super) fn sum(&self) -> f64 {
        self.sum.as_secs_f64()
    }

    /// Bounds, and the number of durations up to each.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut total = 0;
        BOUNDS.into_iter().zip(self.buckets).map(move |(bound, count)| {
            total += count;
            (bound, total)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_up_to_their_bound_inclusive() {
        let mut histogram = Histogram::default();
        for millis in [1, 1, 2, 5_000, 86_400_000] {
            histogram.add(Duration::from_millis(millis));
        }
        let at = |bound| histogram.cumulative().find(|&(one, _)| one == bound).unwrap().1;
        assert_eq!([0.0001, 0.001, 0.005, 2.5, 5.0, 1800.0].map(at), [0, 2, 3, 3, 4, 4]);
        assert_eq!((histogram.count(), histogram.sum()), (5, 86_405.004));
    }
}
