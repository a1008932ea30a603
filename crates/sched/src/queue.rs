//! The queue of jobs that are not assigned to a worker.

use std::collections::BTreeMap;

use job::{JobRange, MonotonicInstant};

use crate::fifo::{Batch, Bounds, Delayed, Fifo, Grouping, JobSpan};

/// Jobs in the order in which they will be sent: those of higher priority first, and those of equal priority
/// in the order in which they were submitted.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Jobs of priority 0. They are apart because usually all jobs are.
    plain: Fifo,
    /// Jobs of other priorities, by priority. No queue is empty.
    others: BTreeMap<i32, Fifo>,
    count: u64,
    /// Approximate encoded size of the jobs that can be sent now.
    bytes: u64,
    /// Isolated jobs that may not be sent before the given time: the backoff before a retry.
    delayed: Vec<Delayed>,
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

    /// Returns the highest priority of the jobs that can be sent now.
    pub(crate) fn highest_priority(&self) -> Option<i32> {
        let plain = (!self.plain.is_empty()).then_some(0);
        plain.max(self.others.last_key_value().map(|(&priority, _)| priority))
    }

    /// Delays jobs until the given time.
    pub(crate) fn delay(&mut self, until: MonotonicInstant, span: JobSpan) {
        self.delayed.push((until, span));
    }

    /// Moves jobs whose delay is over to the front of those of their priority.
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
        self.level(added.priority).push_back(added);
    }

    /// Adds jobs that were assigned before to the front of those of their priority, in this order.
    pub(crate) fn push_front(&mut self, spans: Vec<JobSpan>) {
        for span in spans.into_iter().rev() {
            self.count += span.jobs.count();
            self.bytes += span.bytes();
            self.level(span.priority).push_front(span);
        }
    }

    fn level(&mut self, priority: i32) -> &mut Fifo {
        match priority {
            0 => &mut self.plain,
            _ => self.others.entry(priority).or_default(),
        }
    }

    /// Removes and returns the jobs of the next batch: at least one, then up to `quota` jobs and about
    /// `max_bytes` bytes, with an atomic group as a whole. `size` returns the size of a batch when the given
    /// number of jobs is queued. Jobs of one priority are divided among the workers as if no others were
    /// queued: otherwise a few of high priority in front of many others would all go to one worker. What
    /// room is left is for those of the next lower priority.
    pub(crate) fn take(&mut self, size: impl Fn(u64) -> u64, quota: u64, max_bytes: u64) -> Vec<JobSpan> {
        let mut batch = Batch::default();
        let bounds = Bounds { jobs: size(self.count), quota, bytes: max_bytes };
        if self.others.is_empty() {
            self.plain.take_into(&mut batch, bounds);
        } else {
            self.take_by_priority(&mut batch, size, bounds);
        }
        self.count -= batch.count;
        self.bytes -= batch.bytes;
        batch.spans
    }

    fn take_by_priority(&mut self, batch: &mut Batch, size: impl Fn(u64) -> u64, bounds: Bounds) {
        while let Some(priority) = self.highest_priority() {
            let level = self.level(priority);
            let share = batch.count + size(level.count());
            level.take_into(batch, Bounds { jobs: share.min(bounds.jobs), ..bounds });
            if !level.is_empty() {
                return;
            }
            self.others.remove(&priority);
            if batch.is_closed || batch.count >= bounds.jobs.min(bounds.quota) {
                return;
            }
        }
    }

    /// Removes those of `jobs` that are queued and returns them.
    pub(crate) fn remove(&mut self, jobs: JobRange) -> Vec<JobRange> {
        let mut removed = Vec::new();
        let (count, bytes) = (&mut self.count, &mut self.bytes);
        for level in std::iter::once(&mut self.plain).chain(self.others.values_mut()) {
            level.remove(jobs, |span| {
                *count -= span.jobs.count();
                *bytes -= span.bytes();
                removed.push(span.jobs);
            });
        }
        self.others.retain(|_, level| !level.is_empty());
        // A delayed span is a single job: it is removed or kept as a whole.
        self.delayed.retain(|(_, span)| {
            let is_removed = span.jobs.intersection(jobs).is_some();
            removed.extend(is_removed.then_some(span.jobs));
            !is_removed
        });
        removed
    }

    /// Removes and returns all jobs, including delayed ones.
    pub(crate) fn drain(&mut self) -> Vec<JobRange> {
        let all = self.iter().collect();
        *self = Queue::default();
        all
    }

    /// Removes and returns all jobs, including delayed ones, but those of the next `batches` batches of
    /// minimum size.
    pub(crate) fn drain_after(&mut self, mut batches: u64) -> Vec<JobRange> {
        let Queue { plain, others: mut levels, delayed, .. } = std::mem::take(self);
        levels.insert(0, plain);
        let mut removed = Vec::new();
        for span in levels.into_values().rev().flat_map(Fifo::into_spans) {
            let is_whole = span.grouping == Grouping::Atomic && batches > 0;
            let (kept, rest) = span.jobs.split_at(if is_whole { span.jobs.count() } else { batches });
            if let Some(jobs) = kept {
                batches -= if is_whole { 1 } else { jobs.count() };
                self.push_back(JobSpan { jobs, ..span });
            }
            removed.extend(rest);
        }
        removed.extend(delayed.into_iter().map(|(_, span)| span.jobs));
        removed
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = JobRange> {
        let delayed = self.delayed.iter().map(|(_, span)| span.jobs);
        let levels = std::iter::once(&self.plain).chain(self.others.values());
        levels.flat_map(Fifo::iter).chain(delayed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: u64, end: u64, grouping: Grouping) -> JobSpan {
        JobSpan { jobs: JobRange::new(start, end).unwrap(), mean_bytes: 10, grouping, priority: 0 }
    }

    fn taken(queue: &mut Queue, max_jobs: u64, max_bytes: u64) -> Vec<(u64, u64)> {
        queue
            .take(|_| max_jobs, u64::MAX, max_bytes)
            .iter()
            .map(|w| (w.jobs.first().0, w.jobs.end()))
            .collect()
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
        let part: Vec<u64> = queue.take(|_| 1, 3, 1000).iter().map(|w| w.jobs.count()).collect();
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
        queue.push_back(prioritized(30, 32, 1));
        queue.push_back(prioritized(32, 34, -1));
        assert_eq!(queue.drain_after(3).len(), 3);
        assert_eq!(taken(&mut queue, 9, 1000), [(30, 32), (0, 1)]);
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

    fn prioritized(start: u64, end: u64, priority: i32) -> JobSpan {
        JobSpan { priority, ..span(start, end, Grouping::Any) }
    }

    #[test]
    fn higher_priorities_come_first_and_equal_ones_in_order() {
        let mut queue = Queue::default();
        for (start, priority) in [(0, 0), (10, -5), (20, 7), (30, 0), (40, 7), (50, i32::MIN), (60, i32::MAX)]
        {
            queue.push_back(prioritized(start, start + 2, priority));
        }
        assert_eq!((queue.count(), queue.bytes(), queue.highest_priority()), (14, 140, Some(i32::MAX)));
        let order: Vec<u64> =
            (0..7).flat_map(|_| taken(&mut queue, 2, 1000)).map(|(start, _)| start).collect();
        assert_eq!(order, [60, 20, 40, 0, 30, 10, 50]);
        assert_eq!((queue.count(), queue.bytes(), queue.highest_priority()), (0, 0, None));
    }

    #[test]
    fn returned_and_delayed_jobs_keep_their_priority() {
        let mut queue = Queue::default();
        queue.push_back(prioritized(0, 3, 0));
        queue.push_back(prioritized(3, 6, 1));
        let first = queue.take(|_| 2, u64::MAX, 1000);
        queue.delay(MonotonicInstant(5), JobSpan { grouping: Grouping::Isolated, ..prioritized(9, 10, 1) });
        queue.push_front(first);
        assert_eq!(taken(&mut queue, 1, 1000), [(3, 4)]);
        queue.release_due(MonotonicInstant(5));
        assert_eq!(taken(&mut queue, 1, 1000), [(9, 10)]);
        assert_eq!(queue.remove(JobRange::new(0, 5).unwrap()).len(), 2);
        assert_eq!((taken(&mut queue, 9, 1000), queue.drain()), (vec![(5, 6)], vec![]));
    }

    #[test]
    fn few_urgent_jobs_are_divided_among_workers_and_the_last_share_is_filled_up() {
        let mut queue = Queue::default();
        queue.push_back(prioritized(0, 1000, 0));
        queue.push_back(prioritized(1000, 1004, 1));
        let mut take = || {
            let spans = queue.take(|queued| (queued / 2).max(1), u64::MAX, 100_000);
            spans.iter().map(|span| (span.jobs.first().0, span.jobs.count())).collect::<Vec<_>>()
        };
        assert_eq!(take(), [(1000, 2)]);
        assert_eq!(take(), [(1002, 1)]);
        assert_eq!(take(), [(1003, 1), (0, 499)]);
        assert_eq!(take(), [(499, 250)]);
    }

    #[test]
    fn isolated_job_of_lower_priority_is_not_added_to_a_batch() {
        let mut queue = Queue::default();
        queue.push_back(prioritized(0, 1, 1));
        queue.push_back(span(1, 2, Grouping::Isolated));
        queue.push_back(prioritized(2, 3, -1));
        assert_eq!(taken(&mut queue, 100, 1000), [(0, 1)]);
        assert_eq!(taken(&mut queue, 100, 1000), [(1, 2)]);
        assert_eq!(taken(&mut queue, 100, 1000), [(2, 3)]);
    }
}
