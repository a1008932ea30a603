//! Jobs that wait for a worker.

use std::collections::VecDeque;

use job::{JobRange, MonotonicInstant};

/// Consecutive jobs of about the same size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) jobs: JobRange,
    /// The mean size of these jobs, in bytes.
    pub(crate) mean_bytes: u64,
    pub(crate) grouping: Grouping,
}

/// Who shares a batch with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grouping {
    /// With whatever else there is room for.
    Any,
    /// All of these jobs in one batch, and no others.
    Atomic,
    /// Each in a batch of its own, because it is suspected of killing workers.
    Isolated,
}

/// Jobs in the order in which they will be sent.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    ranges: VecDeque<Waiting>,
    count: u64,
    /// Suspects that may not be sent before their time.
    resting: Vec<(MonotonicInstant, Waiting)>,
}

impl Queue {
    /// How many jobs wait to be sent now.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// How many jobs wait, those that rest included.
    pub(crate) fn total(&self) -> u64 {
        self.count + self.resting.iter().map(|(_, waiting)| waiting.jobs.count()).sum::<u64>()
    }

    /// Keeps jobs back until then.
    pub(crate) fn rest(&mut self, until: MonotonicInstant, waiting: Waiting) {
        self.resting.push((until, waiting));
    }

    /// Puts jobs that have rested long enough before all others.
    pub(crate) fn wake(&mut self, now: MonotonicInstant) {
        if self.resting.is_empty() {
            return;
        }
        let (due, resting) =
            std::mem::take(&mut self.resting).into_iter().partition(|(until, _)| *until <= now);
        self.resting = resting;
        self.push_front(due.into_iter().map(|(_, waiting)| waiting).collect());
    }

    /// When the next jobs have rested long enough.
    pub(crate) fn next_wake(&self) -> Option<MonotonicInstant> {
        self.resting.iter().map(|(until, _)| *until).min()
    }

    pub(crate) fn push_back(&mut self, added: Waiting) {
        self.count += added.jobs.count();
        if let Some(last) = self.ranges.back_mut()
            && last.jobs.end() == added.jobs.first().0
            && last.mean_bytes == added.mean_bytes
            && (last.grouping, added.grouping) == (Grouping::Any, Grouping::Any)
            && let Some(joined) = JobRange::new(last.jobs.first().0, added.jobs.end())
        {
            last.jobs = joined;
            return;
        }
        self.ranges.push_back(added);
    }

    /// Puts jobs that were sent already before all others, in this order.
    pub(crate) fn push_front(&mut self, ranges: Vec<Waiting>) {
        for waiting in ranges.into_iter().rev() {
            self.count += waiting.jobs.count();
            self.ranges.push_front(waiting);
        }
    }

    /// Takes the first jobs: at least one, then up to `size` of them and about `most_bytes` bytes; of jobs that travel
    /// together all, as long as they are within `quota`.
    pub(crate) fn take(&mut self, size: u64, quota: u64, most_bytes: u64) -> Vec<Waiting> {
        let most = size.min(quota);
        let (mut taken, mut count, mut bytes) = (Vec::new(), 0, 0);
        while let Some(&first) = self.ranges.front() {
            if first.grouping != Grouping::Any && count > 0 {
                break;
            }
            let by_bytes = most_bytes.saturating_sub(bytes) / first.mean_bytes.max(1);
            let room = match first.grouping {
                Grouping::Any => by_bytes.min(most - count),
                Grouping::Atomic => quota,
                Grouping::Isolated => 1,
            };
            let (part, rest) = first.jobs.split_at(if count == 0 { room.max(1) } else { room });
            let Some(jobs) = part else { break };
            count += jobs.count();
            bytes += jobs.count() * first.mean_bytes;
            taken.push(Waiting { jobs, ..first });
            match rest {
                Some(rest) => {
                    self.ranges[0].jobs = rest;
                    break;
                }
                None => self.ranges.pop_front(),
            };
            if first.grouping != Grouping::Any || count >= most {
                break;
            }
        }
        self.count -= count;
        taken
    }

    /// Takes all of these jobs that wait.
    pub(crate) fn remove(&mut self, jobs: JobRange) -> Vec<JobRange> {
        let mut removed = Vec::new();
        let ranges = std::mem::take(&mut self.ranges);
        for waiting in ranges {
            let Some(out) = waiting.jobs.intersection(jobs) else {
                self.ranges.push_back(waiting);
                continue;
            };
            removed.push(out);
            self.count -= out.count();
            let before = JobRange::new(waiting.jobs.first().0, out.first().0);
            let after = JobRange::new(out.end(), waiting.jobs.end());
            let kept = [before, after].into_iter().flatten();
            self.ranges.extend(kept.map(|jobs| Waiting { jobs, ..waiting }));
        }
        // A suspect is one job: it is meant or not.
        self.resting.retain(|(_, waiting)| {
            let meant = waiting.jobs.intersection(jobs).is_some();
            removed.extend(meant.then_some(waiting.jobs));
            !meant
        });
        removed
    }

    /// Takes everything.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = JobRange> {
        self.count = 0;
        let resting = std::mem::take(&mut self.resting).into_iter().map(|(_, waiting)| waiting.jobs);
        std::mem::take(&mut self.ranges).into_iter().map(|waiting| waiting.jobs).chain(resting)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = JobRange> {
        let resting = self.resting.iter().map(|(_, waiting)| waiting.jobs);
        self.ranges.iter().map(|waiting| waiting.jobs).chain(resting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(start: u64, end: u64, grouping: Grouping) -> Waiting {
        Waiting { jobs: JobRange::new(start, end).unwrap(), mean_bytes: 10, grouping }
    }

    fn taken(queue: &mut Queue, most: u64, most_bytes: u64) -> Vec<(u64, u64)> {
        queue.take(most, u64::MAX, most_bytes).iter().map(|w| (w.jobs.first().0, w.jobs.end())).collect()
    }

    #[test]
    fn jobs_leave_in_order_within_both_bounds() {
        let mut queue = Queue::default();
        queue.push_back(waiting(0, 10, Grouping::Any));
        queue.push_back(waiting(10, 20, Grouping::Any));
        queue.push_back(waiting(30, 40, Grouping::Any));
        assert_eq!(taken(&mut queue, 4, 1000), [(0, 4)]);
        assert_eq!(taken(&mut queue, 100, 50), [(4, 9)]);
        assert_eq!(taken(&mut queue, 15, 1000), [(9, 20), (30, 34)]);
        assert_eq!(taken(&mut queue, 5, 1), [(34, 35)], "one job is always taken");
        assert_eq!(queue.count(), 5);
    }

    #[test]
    fn a_suspect_travels_alone() {
        let mut queue = Queue::default();
        queue.push_back(waiting(3, 9, Grouping::Any));
        queue.push_front(vec![
            waiting(0, 1, Grouping::Any),
            waiting(1, 2, Grouping::Isolated),
            waiting(2, 3, Grouping::Any),
        ]);
        assert_eq!(taken(&mut queue, 100, 1000), [(0, 1)]);
        assert_eq!(taken(&mut queue, 100, 1000), [(1, 2)]);
        assert_eq!(taken(&mut queue, 100, 1000), [(2, 3), (3, 9)]);
    }

    #[test]
    fn what_travels_together_is_not_mixed_and_only_split_by_a_quota() {
        let mut queue = Queue::default();
        queue.push_back(waiting(0, 2, Grouping::Any));
        queue.push_back(waiting(2, 8, Grouping::Atomic));
        queue.push_back(waiting(8, 12, Grouping::Atomic));
        assert_eq!(taken(&mut queue, 4, 1000), [(0, 2)]);
        assert_eq!(taken(&mut queue, 1, 10), [(2, 8)], "neither its size nor its bytes split it");
        let part: Vec<u64> = queue.take(1, 3, 1000).iter().map(|w| w.jobs.count()).collect();
        assert_eq!((part, queue.count()), (vec![3], 1));
    }

    #[test]
    fn a_suspect_rests_until_its_time_has_come() {
        let mut queue = Queue::default();
        queue.push_back(waiting(5, 9, Grouping::Any));
        queue.rest(MonotonicInstant(100), waiting(1, 2, Grouping::Isolated));
        queue.rest(MonotonicInstant(50), waiting(2, 3, Grouping::Isolated));
        assert_eq!((queue.count(), queue.total(), queue.next_wake()), (4, 6, Some(MonotonicInstant(50))));
        queue.wake(MonotonicInstant(60));
        assert_eq!(taken(&mut queue, 100, 1000), [(2, 3)]);
        assert_eq!(queue.remove(JobRange::new(0, 6).unwrap()).len(), 2);
        assert_eq!((queue.total(), queue.next_wake()), (3, None));
    }

    #[test]
    fn removing_splits_what_it_hits() {
        let mut queue = Queue::default();
        queue.push_back(waiting(0, 10, Grouping::Any));
        queue.push_back(waiting(20, 30, Grouping::Any));
        let removed = queue.remove(JobRange::new(5, 25).unwrap());
        assert_eq!(removed, [JobRange::new(5, 10).unwrap(), JobRange::new(20, 25).unwrap()]);
        assert_eq!(queue.count(), 10);
        assert_eq!(taken(&mut queue, 100, 1000), [(0, 5), (25, 30)]);
    }
}
