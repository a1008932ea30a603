//! Periods in which all workers were stopped. They do not count against limits.

use std::time::Duration;

use job::MonotonicInstant;

/// Maximum number of recorded pauses: far more than occur during a job that has a limit.
const MAX_PAUSES: usize = 1024;

/// Pauses of a pool, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    ended: Vec<(MonotonicInstant, MonotonicInstant)>,
    since: Option<MonotonicInstant>,
}

impl Pauses {
    pub(crate) fn begin(&mut self, now: MonotonicInstant) {
        self.since.get_or_insert(now);
    }

    /// Ends the current pause and returns its length, or `None` if there is none.
    pub(crate) fn end(&mut self, now: MonotonicInstant) -> Option<Duration> {
        let since = self.since.take()?;
        if self.ended.len() == MAX_PAUSES {
            self.ended.remove(0);
        }
        self.ended.push((since, now));
        Some(now.since(since))
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.since.is_some()
    }

    /// Drops the pauses that do not concern jobs that started at `oldest` or later.
    pub(crate) fn forget_before(&mut self, oldest: MonotonicInstant) {
        self.ended.retain(|&(_, end)| end > oldest);
    }

    /// Returns the total length of the ended pauses since `start`.
    pub(crate) fn paused_since(&self, start: MonotonicInstant) -> Duration {
        let within = |&(from, to): &(MonotonicInstant, MonotonicInstant)| {
            to.since(start).saturating_sub(from.since(start))
        };
        self.ended.iter().map(within).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_only_pauses_after_the_start() {
        let mut pauses = Pauses::default();
        assert_eq!(pauses.end(MonotonicInstant(5)), None);
        pauses.begin(MonotonicInstant(10));
        assert!(pauses.is_paused());
        assert_eq!(pauses.end(MonotonicInstant(30)), Some(Duration::from_nanos(20)));
        pauses.begin(MonotonicInstant(100));
        pauses.end(MonotonicInstant(101));
        let paused = [0, 20, 30, 200].map(|start| pauses.paused_since(MonotonicInstant(start)).as_nanos());
        assert_eq!(paused, [21, 11, 1, 0]);
        pauses.forget_before(MonotonicInstant(50));
        assert_eq!(pauses.paused_since(MonotonicInstant(0)), Duration::from_nanos(1));
    }
}
