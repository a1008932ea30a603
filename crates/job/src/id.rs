//! Identifiers of jobs, batches and workers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A job's number within its pool, counted from 0 in the order of submission.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::metrics::JobId;
///
/// assert_eq!(JobId(7).to_string(), "job 7");
/// assert!(JobId(7) < JobId(8), "it was submitted earlier");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {}", self.0)
    }
}

/// A non-empty range of consecutive jobs, `start..end`.
///
/// Jobs are scheduled in ranges because the cost of an operation does not depend on the length of a range.
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
    /// Returns the range `start..end`, or `None` if it is empty.
    #[must_use]
    pub fn new(start: u64, end: u64) -> Option<JobRange> {
        (start < end).then_some(JobRange { start, end })
    }

    /// Returns the range that contains only this job.
    #[must_use]
    pub fn single(job: JobId) -> JobRange {
        JobRange { start: job.0, end: job.0 + 1 }
    }

    /// Returns the first job.
    #[must_use]
    pub fn first(self) -> JobId {
        JobId(self.start)
    }

    /// Returns the number after that of the last job.
    #[must_use]
    pub fn end(self) -> u64 {
        self.end
    }

    /// Returns the number of jobs; at least 1.
    #[must_use]
    pub fn count(self) -> u64 {
        self.end - self.start
    }

    /// Returns whether the range contains this job.
    #[must_use]
    pub fn contains(self, job: JobId) -> bool {
        (self.start..self.end).contains(&job.0)
    }

    /// Returns the jobs in ascending order.
    pub fn iter(self) -> impl Iterator<Item = JobId> {
        (self.start..self.end).map(JobId)
    }

    /// Splits the range after `count` jobs; a part without jobs is `None`.
    #[must_use]
    pub fn split_at(self, count: u64) -> (Option<JobRange>, Option<JobRange>) {
        let middle = self.start.saturating_add(count).min(self.end);
        (JobRange::new(self.start, middle), JobRange::new(middle, self.end))
    }

    /// Returns the jobs that are in both ranges, or `None` if there are none.
    #[must_use]
    pub fn intersection(self, other: JobRange) -> Option<JobRange> {
        JobRange::new(self.start.max(other.start), self.end.min(other.end))
    }
}

/// A batch's number within its pool. Numbers are never reused.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::metrics::BatchId;
///
/// assert!(BatchId(1) > BatchId(0), "it was created later");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BatchId(pub u64);

/// A worker's identifier: its slot in the pool, and the number of workers that had this slot before.
///
/// A message of a dead worker that arrives late is recognised by its old generation.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::metrics::WorkerId;
///
/// // The second worker of slot 2: the first one has died or was replaced.
/// let worker = WorkerId { slot: 2, generation: 1 };
/// assert_eq!(worker.to_string(), "worker 2.1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkerId {
    /// Slot, counted from 0; less than the pool's size.
    pub slot: u32,
    /// Number of workers that had this slot before.
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
    fn split_at_returns_exactly_the_jobs_of_the_range() {
        let range = JobRange::new(3, 8).unwrap();
        assert_eq!(range.split_at(2), (JobRange::new(3, 5), JobRange::new(5, 8)));
        assert_eq!(range.split_at(0), (None, Some(range)));
        assert_eq!(range.split_at(u64::MAX), (Some(range), None));
        assert_eq!(range.count(), 5);
        assert_eq!(JobRange::new(4, 4), None);
    }

    #[test]
    fn intersection_contains_the_common_jobs() {
        let (a, b) = (JobRange::new(0, 5).unwrap(), JobRange::new(3, 9).unwrap());
        assert_eq!(a.intersection(b), JobRange::new(3, 5));
        assert_eq!(a.intersection(JobRange::new(5, 6).unwrap()), None);
    }
}
