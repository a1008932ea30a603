//! Numbers of jobs by state.
//!
//! Executors count under their lock how many jobs were submitted and how many are queued; the outcomes are
//! counted without it, when they are delivered. A job is counted as ended only after it has left the queue,
//! so a reader that holds the lock cannot see it in both, and the jobs that are neither queued nor ended are
//! the running ones: the sum is exact at each reading.

use std::sync::atomic::{AtomicU64, Ordering};

use job::{Job, JobError, Outcome};

/// Numbers of an executor's jobs by state, at one moment; see [`Executor::counts`](crate::Executor::counts).
///
/// Jobs of futures, submitters and maps all count. Each job is in exactly one of the states, so that the
/// numbers, without `retried`, add up to the number of jobs that were [submitted](Counts::submitted).
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ThreadPool};
///
/// let threads = ThreadPool::new(2, ());
/// let (good, bad) = (threads.submit(Square(2))?, threads.submit(Square(u64::MAX))?);
/// let counts = threads.counts();
/// assert_eq!(counts.submitted(), 2, "in whichever state they are");
/// (good.result().is_ok(), bad.result().is_err());
/// let counts = threads.counts();
/// assert_eq!((counts.succeeded, counts.failed, counts.ended()), (1, 1, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Jobs that are not assigned to a worker, including those that wait for a retry.
    pub queued: u64,
    /// Jobs that are assigned to a worker and have no outcome yet. A worker may have several.
    pub running: u64,
    /// Jobs that returned an output.
    pub succeeded: u64,
    /// Jobs that failed for any reason but cancellation.
    pub failed: u64,
    /// Jobs that were cancelled.
    pub cancelled: u64,
    /// Failed attempts that were followed by another attempt of the same job. Not a state of jobs.
    pub retried: u64,
}

impl Counts {
    /// Number of jobs that were submitted.
    ///
    /// ```
    /// use pool::metrics::Counts;
    ///
    /// assert_eq!(Counts::default().submitted(), 0);
    /// ```
    #[must_use]
    pub fn submitted(&self) -> u64 {
        self.queued + self.running + self.ended()
    }

    /// Number of jobs that have an outcome.
    ///
    /// ```
    /// use pool::metrics::Counts;
    ///
    /// assert_eq!(Counts::default().ended(), 0);
    /// ```
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.succeeded + self.failed + self.cancelled
    }
}

/// Numbers of outcomes that were delivered.
///
/// They are in cache lines of their own, because several threads write them. The alignment is that of two
/// lines, because processors fetch lines in pairs.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct OutcomeCounts {
    succeeded: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    /// Those of the failed jobs that never reached the queue, because they could not be encoded.
    unencodable: AtomicU64,
}

impl OutcomeCounts {
    /// Counts outcomes that a worker has returned. Called before they can be seen by the caller.
    pub(crate) fn add(&self, succeeded: usize, failed: usize) {
        self.succeeded.fetch_add(succeeded as u64, Ordering::Release);
        if failed > 0 {
            self.failed.fetch_add(failed as u64, Ordering::Release);
        }
    }

    /// Counts jobs that are all resolved by this failure.
    pub(crate) fn add_failed<E>(&self, jobs: usize, failure: &JobError<E>) {
        let counter = match failure {
            JobError::Cancelled => &self.cancelled,
            _ => &self.failed,
        };
        counter.fetch_add(jobs as u64, Ordering::Release);
    }

    /// Counts a job that cannot be encoded.
    #[cfg(target_os = "linux")]
    pub(crate) fn add_unencodable(&self, jobs: usize) {
        self.unencodable.fetch_add(jobs as u64, Ordering::Release);
    }

    /// Counts the outcome of one job. May be called by one thread only.
    #[inline]
    pub(crate) fn add_as_only_writer<J: Job>(&self, outcome: &Outcome<J>) {
        let counter = match outcome {
            Ok(_) => &self.succeeded,
            Err(JobError::Cancelled) => &self.cancelled,
            Err(_) => &self.failed,
        };
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Adds these outcomes to the counts of an executor.
    pub(crate) fn add_to(&self, counts: &mut PartialCounts) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        let unencodable = load(&self.unencodable);
        counts.submitted += unencodable;
        counts.succeeded += load(&self.succeeded);
        counts.failed += load(&self.failed) + unencodable;
        counts.cancelled += load(&self.cancelled);
    }
}

/// Counts of an executor before the number of running jobs is derived from them. Collected under its lock.
#[derive(Default)]
pub(crate) struct PartialCounts {
    submitted: u64,
    queued: u64,
    retried: u64,
    succeeded: u64,
    failed: u64,
    cancelled: u64,
}

impl PartialCounts {
    pub(crate) fn new(submitted: u64, queued: u64, retried: u64) -> PartialCounts {
        PartialCounts { submitted, queued, retried, ..PartialCounts::default() }
    }

    /// Adds jobs that are not queued.
    pub(crate) fn add_submitted(&mut self, jobs: u64) {
        self.submitted += jobs;
    }

    pub(crate) fn complete(self) -> Counts {
        let PartialCounts { submitted, queued, retried, succeeded, failed, cancelled } = self;
        let running = submitted - queued - succeeded - failed - cancelled;
        Counts { queued, running, succeeded, failed, cancelled, retried }
    }
}
