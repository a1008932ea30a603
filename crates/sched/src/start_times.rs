//! How long workers take to start.

use std::time::Duration;

/// Number of starts whose times are kept.
const KEPT_TIMES: usize = 8;

/// Number of starts before which it is not known whether starts are slow.
const MIN_TIMES: usize = 3;

/// Times of the last starts, from the request until the worker was ready.
#[derive(Debug, Default)]
pub(crate) struct StartTimes {
    times: [Duration; KEPT_TIMES],
    count: usize,
}

impl StartTimes {
    pub(crate) fn note(&mut self, time: Duration) {
        self.times[self.count % KEPT_TIMES] = time;
        self.count += 1;
    }

    /// Returns whether all of the last starts took longer than `limit`; false before [`MIN_TIMES`] starts. On
    /// a busy machine, or when many workers start at once, some starts take much longer than others.
    pub(crate) fn are_above(&self, limit: Duration) -> bool {
        self.count >= MIN_TIMES && self.times.iter().take(self.count).all(|&time| time > limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_slow_if_all_of_the_last_ones_were() {
        let limit = Duration::from_millis(50);
        let mut times = StartTimes::default();
        times.note(limit);
        (1..KEPT_TIMES).for_each(|_| times.note(limit * 2));
        assert!(!times.are_above(limit));
        times.note(limit * 2);
        assert!(times.are_above(limit), "the first one is forgotten");
        times.note(limit);
        assert!(!times.are_above(limit));
    }

    #[test]
    fn few_starts_do_not_count() {
        let mut times = StartTimes::default();
        for count in 0..MIN_TIMES {
            assert!(!times.are_above(Duration::ZERO), "{count}");
            times.note(Duration::from_secs(1));
        }
        assert!(times.are_above(Duration::ZERO));
    }
}
