//! The times when all workers stood, which count against no limit.

use std::time::Duration;

use job::MonotonicInstant;

/// The most pauses that are remembered: many more than matter to a job that has a limit.
const MOST: usize = 1024;

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

    /// Ends the pause and says how long it was; nothing if there was none.
    pub(crate) fn end(&mut self, now: MonotonicInstant) -> Option<Duration> {
        let since = self.since.take()?;
        if self.ended.len() == MOST {
            self.ended.remove(0);
        }
        self.ended.push((since, now));
        Some(now.since(since))
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.since.is_some()
    }

    /// Drops what is over for all jobs that started at this time or later.
    pub(crate) fn forget_before(&mut self, oldest: MonotonicInstant) {
        self.ended.retain(|&(_, end)| end > oldest);
    }

    /// How much of the time since then was spent standing.
    pub(crate) fn since(&self, start: MonotonicInstant) -> Duration {
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
    fn only_what_lies_after_the_start_counts() {
        let mut pauses = Pauses::default();
        assert_eq!(pauses.end(MonotonicInstant(5)), None);
        pauses.begin(MonotonicInstant(10));
        assert!(pauses.is_paused());
        assert_eq!(pauses.end(MonotonicInstant(30)), Some(Duration::from_nanos(20)));
        pauses.begin(MonotonicInstant(100));
        pauses.end(MonotonicInstant(101));
        let standing = [0, 20, 30, 200].map(|start| pauses.since(MonotonicInstant(start)).as_nanos());
        assert_eq!(standing, [21, 11, 1, 0]);
        pauses.forget_before(MonotonicInstant(50));
        assert_eq!(pauses.since(MonotonicInstant(0)), Duration::from_nanos(1));
    }
}
