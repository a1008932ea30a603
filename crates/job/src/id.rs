//! Names of jobs, batches and workers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A job's number within its pool, counted from 0 in the order of submission.
///
/// ```
/// use job::JobId;
///
/// assert_eq!(JobId(7).to_string(), "job 7");
/// assert!(JobId(7) < JobId(8), "it was submitted before");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {}", self.0)
    }
}

/// Consecutive jobs `start..end`, never empty.
///
/// Jobs are scheduled by ranges because that costs the same for one job as for a thousand.
///
/// ```
/// use job::{JobId, JobRange};
///
/// let range = JobRange::new(3, 8).unwrap();
/// assert_eq!((range.count(), range.first()), (5, JobId(3)));
/// assert_eq!(range.split_at(2).1, JobRange::new(5, 8));
/// assert_eq!(JobRange::new(4, 4), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JobRange {
    start: u64,
    end: u64,
}

impl JobRange {
    /// The jobs `start..end`, or `None` if there are none.
    #[must_use]
    pub fn new(start: u64, end: u64) -> Option<JobRange> {
        (start < end).then_some(JobRange { start, end })
    }

    /// The range that holds one job.
    #[must_use]
    pub fn one(job: JobId) -> JobRange {
        JobRange { start: job.0, end: job.0 + 1 }
    }

    /// The first job.
    #[must_use]
    pub fn first(self) -> JobId {
        JobId(self.start)
    }

    /// The number after the last job's.
    #[must_use]
    pub fn end(self) -> u64 {
        self.end
    }

    /// How many jobs there are; at least one.
    #[must_use]
    pub fn count(self) -> u64 {
        self.end - self.start
    }

    /// Whether the job is one of these.
    #[must_use]
    pub fn contains(self, job: JobId) -> bool {
        (self.start..self.end).contains(&job.0)
    }

    /// The jobs, in order.
    pub fn iter(self) -> impl Iterator<Item = JobId> {
        (self.start..self.end).map(JobId)
    }

    /// The first `count` jobs and the rest; either may be missing.
    #[must_use]
    pub fn split_at(self, count: u64) -> (Option<JobRange>, Option<JobRange>) {
        let middle = self.start.saturating_add(count).min(self.end);
        (JobRange::new(self.start, middle), JobRange::new(middle, self.end))
    }

    /// The jobs that are in both.
    #[must_use]
    pub fn intersection(self, other: JobRange) -> Option<JobRange> {
        JobRange::new(self.start.max(other.start), self.end.min(other.end))
    }
}

/// A batch's number within its pool; never used twice.
///
/// ```
/// use job::BatchId;
///
/// assert!(BatchId(1) > BatchId(0), "it was made later");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BatchId(pub u64);

/// A worker: a place in the pool and how many workers have held that place before it.
///
/// News that arrives late from a dead worker carries an old generation and is recognised by it.
///
/// ```
/// use job::WorkerId;
///
/// // Place 2 is held by its second worker: the first one has died, or has served its time.
/// let worker = WorkerId { slot: 2, generation: 1 };
/// assert_eq!(worker.to_string(), "worker 2.1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkerId {
    /// The place, counted from 0; below the pool's size.
    pub slot: u32,
    /// How many workers held the place before.
    pub generation: u32,
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {}.{}", self.slot, self.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_splits_into_its_jobs_and_nothing_else() {
        let range = JobRange::new(3, 8).unwrap();
        assert_eq!(range.split_at(2), (JobRange::new(3, 5), JobRange::new(5, 8)));
        assert_eq!(range.split_at(0), (None, Some(range)));
        assert_eq!(range.split_at(u64::MAX), (Some(range), None));
        assert_eq!(range.count(), 5);
        assert_eq!(JobRange::new(4, 4), None);
    }

    #[test]
    fn ranges_intersect_where_they_overlap() {
        let (a, b) = (JobRange::new(0, 5).unwrap(), JobRange::new(3, 9).unwrap());
        assert_eq!(a.intersection(b), JobRange::new(3, 5));
        assert_eq!(a.intersection(JobRange::new(5, 6).unwrap()), None);
    }
}
