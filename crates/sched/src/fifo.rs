//! A FIFO queue of jobs of equal priority.

use std::collections::VecDeque;

use job::{JobRange, MonotonicInstant};

/// Consecutive jobs with the same mean size, grouping and priority.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JobSpan {
    pub(crate) jobs: JobRange,
    /// Mean encoded size of a job, in bytes.
    pub(crate) mean_bytes: u64,
    pub(crate) grouping: Grouping,
    pub(crate) priority: i32,
}

impl JobSpan {
    /// Approximate encoded size of the jobs, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
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

/// Jobs that may not be sent before the given time.
pub(crate) type Delayed = (MonotonicInstant, JobSpan);

/// Bounds of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Maximum number of jobs, except those of an atomic group.
    pub(crate) jobs: u64,
    /// Maximum number of jobs, including those of an atomic group.
    pub(crate) quota: u64,
    /// Maximum encoded size in bytes, unless the first job is larger.
    pub(crate) bytes: u64,
}

/// A batch that is being filled.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) spans: Vec<JobSpan>,
    pub(crate) count: u64,
    pub(crate) bytes: u64,
    /// Whether no other jobs may be added.
    pub(crate) is_closed: bool,
}

/// Jobs of equal priority in the order in which they will be sent.
#[derive(Debug, Default)]
pub(crate) struct Fifo {
    spans: VecDeque<JobSpan>,
    count: u64,
}

impl Fifo {
    /// Number of jobs.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    pub(crate) fn push_back(&mut self, added: JobSpan) {
        self.count += added.jobs.count();
        if let Some(last) = self.spans.back_mut()
            && last.jobs.end() == added.jobs.first().0
            && last.mean_bytes == added.mean_bytes
            && (last.grouping, added.grouping) == (Grouping::Any, Grouping::Any)
            && let Some(joined) = JobRange::new(last.jobs.first().0, added.jobs.end())
        {
            last.jobs = joined;
            return;
        }
        self.spans.push_back(added);
    }

    pub(crate) fn push_front(&mut self, span: JobSpan) {
        self.count += span.jobs.count();
        self.spans.push_front(span);
    }

    /// Moves jobs from the front into the batch, within its bounds; at least one if the batch is empty. An
    /// atomic group is moved whole, whatever its size, unless it exceeds the quota.
    pub(crate) fn take_into(&mut self, batch: &mut Batch, bounds: Bounds) {
        let max_jobs = bounds.jobs.min(bounds.quota);
        while let Some(&first) = self.spans.front() {
            if first.grouping != Grouping::Any && batch.count > 0 {
                batch.is_closed = true;
                break;
            }
            let by_bytes = bounds.bytes.saturating_sub(batch.bytes) / first.mean_bytes.max(1);
            let room = match first.grouping {
                Grouping::Any => by_bytes.min(max_jobs.saturating_sub(batch.count)),
                Grouping::Atomic => bounds.quota,
                Grouping::Isolated => 1,
            };
            let (part, rest) = first.jobs.split_at(if batch.count == 0 { room.max(1) } else { room });
            let Some(jobs) = part else { break };
            self.count -= jobs.count();
            batch.count += jobs.count();
            batch.bytes += jobs.count() * first.mean_bytes;
            batch.spans.push(JobSpan { jobs, ..first });
            batch.is_closed = first.grouping != Grouping::Any;
            match rest {
                Some(rest) => {
                    self.spans[0].jobs = rest;
                    break;
                }
                None => self.spans.pop_front(),
            };
            if batch.is_closed || batch.count >= max_jobs {
                break;
            }
        }
    }

    /// Removes those of `jobs` that are queued, and passes them to `removed`.
    pub(crate) fn remove(&mut self, jobs: JobRange, mut removed: impl FnMut(JobSpan)) {
        for span in std::mem::take(&mut self.spans) {
            let Some(out) = span.jobs.intersection(jobs) else {
                self.spans.push_back(span);
                continue;
            };
            self.count -= out.count();
            removed(JobSpan { jobs: out, ..span });
            let before = JobRange::new(span.jobs.first().0, out.first().0);
            let after = JobRange::new(out.end(), span.jobs.end());
            let kept = [before, after].into_iter().flatten();
            self.spans.extend(kept.map(|jobs| JobSpan { jobs, ..span }));
        }
    }

    pub(crate) fn into_spans(self) -> impl Iterator<Item = JobSpan> {
        self.spans.into_iter()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = JobRange> {
        self.spans.iter().map(|span| span.jobs)
    }
}
