//! The queue of jobs that are not assigned to a worker.

use std::collections::VecDeque;

use job::{JobRange, MonotonicInstant};

/// Consecutive jobs with the same mean size and grouping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JobSpan {
    pub(crate) jobs: JobRange,
    /// Mean encoded size of a job, in bytes.
    pub(crate) mean_bytes: u64,
    pub(crate) grouping: Grouping,
}

impl JobSpan {
    /// Approximate encoded size of the jobs, in bytes.
    fn bytes(&self) -> u64 {
        self.jobs.count() * self.mean_bytes
    }
}

/// Which jobs may share a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grouping {
    /// With any other jobs.
    Any,
    /// All of these jobs go into one batch, without others.
    Atomic,
    /// Each job has a batch of its own, because it may have killed its worker.
    Isolated,
}

/// Jobs in the order in which they will be sent.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    ranges: VecDeque<JobSpan>,
    count: u64,
    /// Approximate encoded size of the jobs that can be sent now.
    bytes: u64,
    /// Isolated jobs that may not be sent before the given time: the backoff before a retry.
    delayed: Vec<(MonotonicInstant, JobSpan)>,
}

impl Queue {
    /// Number of jobs that can be sent now.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Number of queued jobs, including delayed ones.
    pub(crate) fn total(&self) -> u64 {
        self.count + self.delayed.iter().map(|(_, span)| span.jobs.count()).sum::<u64>()
    }

    /// Approximate encoded size, in bytes, of all queued jobs.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes + self.delayed.iter().map(|(_, span)| span.bytes()).sum::<u64>()
    }

    /// Delays jobs until the given time.
    pub(crate) fn delay(&mut self, until: MonotonicInstant, span: JobSpan) {
        self.delayed.push((until, span));
    }

    /// Moves jobs whose delay is over to the front of the queue.
    pub(crate) fn release_due(&mut self, now: MonotonicInstant) {
        if self.delayed.is_empty() {
            return;
        }
        let (due, delayed) =
            std::mem::take(&mut self.delayed).into_iter().partition(|(until, _)| *until <= now);
        self.delayed = delayed;
        self.push_front(due.into_iter().map(|(_, span)| span).collect());
    }

    /// Returns when the next delay is over.
    pub(crate) fn next_due(&self) -> Option<MonotonicInstant> {
        self.delayed.iter().map(|(until, _)| *until).min()
    }

    pub(crate) fn push_back(&mut self, added: JobSpan) {
        self.count += added.jobs.count();
        self.bytes += added.bytes();
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

    /// Adds jobs that were assigned before to the front of the queue, in this order.
    pub(crate) fn push_front(&mut self, ranges: Vec<JobSpan>) {
        for span in ranges.into_iter().rev() {
            self.count += span.jobs.count();
            self.bytes += span.bytes();
            self.ranges.push_front(span);
        }
    }

    /// Removes and returns the jobs of the next batch: at least one, then up to `size` jobs and about
    /// `max_bytes` bytes. An atomic group is returned whole, whatever its size, unless it exceeds `quota`
    /// jobs.
    pub(crate) fn take(&mut self, size: u64, quota: u64, max_bytes: u64) -> Vec<JobSpan> {
        let max_jobs = size.min(quota);
        let (mut taken, mut count, mut bytes) = (Vec::new(), 0, 0);
        while let Some(&first) = self.ranges.front() {
            if first.grouping != Grouping::Any && count > 0 {
                break;
            }
            let by_bytes = max_bytes.saturating_sub(bytes) / first.mean_bytes.max(1);
            let room = match first.grouping {
                Grouping::Any => by_bytes.min(max_jobs - count),
                Grouping::Atomic => quota,
                Grouping::Isolated => 1,
            };
            let (part, rest) = first.jobs.split_at(if count == 0 { room.max(1) } else { room });
            let Some(jobs) = part else { break };
            count += jobs.count();
            bytes += jobs.count() * first.mean_bytes;
            taken.push(JobSpan { jobs, ..first });
            match rest {
                Some(rest) => {
                    self.ranges[0].jobs = rest;
                    break;
                }
                None => self.ranges.pop_front(),
            };
            if first.grouping != Grouping::Any || count >= max_jobs {
                break;
            }
        }
        self.count -= count;
        self.bytes -= bytes;
        taken
    }

    /// Removes those of `jobs` that are queued and returns them.
    pub(crate) fn remove(&mut self, jobs: JobRange) -> Vec<JobRange> {
        let mut removed = Vec::new();
        let ranges = std::mem::take(&mut self.ranges);
        for span in ranges {
            let Some(out) = span.jobs.intersection(jobs) else {
                self.ranges.push_back(span);
                continue;
            };
            removed.push(out);
            self.count -= out.count();
            self.bytes -= JobSpan { jobs: out, ..span }.bytes();
            let before = JobRange::new(span.jobs.first().0, out.first().0);
            let after = JobRange::new(out.end(), span.jobs.end());
            let kept = [before, after].into_iter().flatten();
            self.ranges.extend(kept.map(|jobs| JobSpan { jobs, ..span }));
        }
        // A delayed span is a single job: it is removed or kept as a whole.
        self.delayed.retain(|(_, span)| {
            let is_removed = span.jobs.intersection(jobs).is_some();
            removed.extend(is_removed.then_some(span.jobs));
            !is_removed
        });
        removed
    }

    /// Removes and returns all jobs, including delayed ones.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = JobRange> {
        (self.count, self.bytes) = (0, 0);
        let delayed = std::mem::take(&mut self.delayed).into_iter().map(|(_, span)| span.jobs);
        std::mem::take(&mut self.ranges).into_iter().map(|span| span.jobs).chain(delayed)
    }

    /// Removes and returns all jobs, including delayed ones, but those of the next `batches` batches of
    /// minimum size.
    pub(crate) fn drain_after(&mut self, mut batches: u64) -> Vec<JobRange> {
        let mut removed = Vec::new();
        (self.count, self.bytes) = (0, 0);
        for span in std::mem::take(&mut self.ranges) {
            let is_whole = span.grouping == Grouping::Atomic && batches > 0;
            let (kept, rest) = span.jobs.split_at(if is_whole { span.jobs.count() } else { batches });
            if let Some(jobs) = kept {
                batches -= if is_whole { 1 } else { jobs.count() };
                self.push_back(JobSpan { jobs, ..span });
            }
            removed.extend(rest);
        }
        removed.extend(std::mem::take(&mut self.delayed).into_iter().map(|(_, span)| span.jobs));
        removed
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = JobRange> {
        let delayed = self.delayed.iter().map(|(_, span)| span.jobs);
        self.ranges.iter().map(|span| span.jobs).chain(delayed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: u64, end: u64, grouping: Grouping) -> JobSpan {
        JobSpan { jobs: JobRange::new(start, end).unwrap(), mean_bytes: 10, grouping }
    }

    fn taken(queue: &mut Queue, max_jobs: u64, max_bytes: u64) -> Vec<(u64, u64)> {
        queue.take(max_jobs, u64::MAX, max_bytes).iter().map(|w| (w.jobs.first().0, w.jobs.end())).collect()
    }

    #[test]
    fn takes_jobs_in_order_within_both_bounds() {
        let mut queue = Queue::default();
        queue.push_back(span(0, 10, Grouping::Any));
        queue.push_back(span(10, 20, Grouping::Any));
        queue.push_back(span(30, 40, Grouping::Any));
        assert_eq!(taken(&mut queue, 4, 1000), [(0, 4)]);
        assert_eq!(taken(&mut queue, 100, 50), [(4, 9)]);
        assert_eq!(taken(&mut queue, 15, 1000), [(9, 20), (30, 34)]);
        assert_eq!(taken(&mut queue, 5, 1), [(34, 35)], "takes at least one job");
        assert_eq!((queue.count(), queue.bytes()), (5, 50));
    }

    #[test]
    fn isolated_job_is_not_batched_with_others() {
        let mut queue = Queue::default();
        queue.push_back(span(3, 9, Grouping::Any));
        queue.push_front(vec![
            span(0, 1, Grouping::Any),
            span(1, 2, Grouping::Isolated),
            span(2, 3, Grouping::Any),
        ]);
        assert_eq!(taken(&mut queue, 100, 1000), [(0, 1)]);
        assert_eq!(taken(&mut queue, 100, 1000), [(1, 2)]);
        assert_eq!(taken(&mut queue, 100, 1000), [(2, 3), (3, 9)]);
    }

    #[test]
    fn atomic_group_is_not_mixed_and_split_only_by_a_quota() {
        let mut queue = Queue::default();
        queue.push_back(span(0, 2, Grouping::Any));
        queue.push_back(span(2, 8, Grouping::Atomic));
        queue.push_back(span(8, 12, Grouping::Atomic));
        assert_eq!(taken(&mut queue, 4, 1000), [(0, 2)]);
        assert_eq!(taken(&mut queue, 1, 10), [(2, 8)], "not split by size or bytes");
        let part: Vec<u64> = queue.take(1, 3, 1000).iter().map(|w| w.jobs.count()).collect();
        assert_eq!((part, queue.count()), (vec![3], 1));
    }

    #[test]
    fn delayed_job_is_released_when_due() {
        let mut queue = Queue::default();
        queue.push_back(span(5, 9, Grouping::Any));
        queue.delay(MonotonicInstant(100), span(1, 2, Grouping::Isolated));
        queue.delay(MonotonicInstant(50), span(2, 3, Grouping::Isolated));
        assert_eq!((queue.count(), queue.total(), queue.next_due()), (4, 6, Some(MonotonicInstant(50))));
        queue.release_due(MonotonicInstant(60));
        assert_eq!(taken(&mut queue, 100, 1000), [(2, 3)]);
        assert_eq!(queue.remove(JobRange::new(0, 6).unwrap()).len(), 2);
        assert_eq!((queue.total(), queue.bytes(), queue.next_due()), (3, 30, None));
    }

    #[test]
    fn drain_after_keeps_the_oldest_batches() {
        let mut queue = Queue::default();
        queue.push_back(span(0, 1, Grouping::Any));
        queue.push_back(span(1, 4, Grouping::Atomic));
        queue.push_back(span(4, 9, Grouping::Any));
        queue.push_back(span(9, 12, Grouping::Atomic));
        queue.delay(MonotonicInstant(50), span(20, 21, Grouping::Isolated));
        let removed = queue.drain_after(4);
        let expected = [(6, 9), (9, 12), (20, 21)].map(|(start, end)| JobRange::new(start, end).unwrap());
        assert_eq!(removed, expected);
        assert_eq!((queue.count(), queue.total(), queue.bytes()), (6, 6, 60));
        assert_eq!(queue.drain_after(0).len(), 3);
        assert_eq!((queue.total(), queue.bytes()), (0, 0));
    }

    #[test]
    fn remove_splits_overlapping_spans() {
        let mut queue = Queue::default();
        queue.push_back(span(0, 10, Grouping::Any));
        queue.push_back(span(20, 30, Grouping::Any));
        let removed = queue.remove(JobRange::new(5, 25).unwrap());
        assert_eq!(removed, [JobRange::new(5, 10).unwrap(), JobRange::new(20, 25).unwrap()]);
        assert_eq!((queue.count(), queue.bytes()), (10, 100));
        assert_eq!(taken(&mut queue, 100, 1000), [(0, 5), (25, 30)]);
    }
}
