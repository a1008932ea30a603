//! Per-job options and per-worker reports.

use std::{fmt, sync::Arc, time::Duration};

use job::{Context, Job, WorkerId};
use sched::JobLimits;

/// Report of a worker that exited normally; see [`Context::finish`].
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, Serial, worker::WorkerReport};
///
/// let serial = Serial::new(());
/// serial.submit(Square(5))?;
/// serial.join();
/// let report: WorkerReport<Square> = serial.reports().remove(0);
/// assert_eq!((report.worker.slot, report.report), (0, Ok(())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WorkerReport<J: Job> {
    /// The worker.
    pub worker: WorkerId,
    /// Value returned by [`Context::finish`], or the reason why it failed.
    pub report: Result<<J::Context as Context>::Report, Arc<str>>,
}

impl<J: Job> fmt::Debug for WorkerReport<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerReport").field("worker", &self.worker).finish_non_exhaustive()
    }
}

/// Options of a single job. Each of them has a default.
///
/// The options are one small value, so that passing the default ones costs no time per job.
///
/// ```
/// use std::time::Duration;
/// use pool::settings::JobOptions;
///
/// let options = JobOptions::new().time_limit(Duration::from_millis(100)).retries(0).tag(17);
/// assert_ne!(options, JobOptions::default());
/// assert_eq!(JobOptions::new(), JobOptions::default());
/// assert_eq!(std::mem::size_of::<JobOptions>(), 32);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct JobOptions {
    /// Time limit in nanoseconds plus 1; 0 without one.
    time_limit: u64,
    tag: u64,
    /// Memory limit in units of [`MEMORY_UNIT`] plus 1; 0 without one.
    max_rss: u32,
    /// Number of retries plus 1; 0 for the pool's.
    retries: u32,
    priority: i32,
}

/// Unit in which the memory limit is stored, in bytes: the size of a page.
const MEMORY_UNIT: u64 = 4096;

impl JobOptions {
    /// Returns the default options.
    ///
    /// ```
    /// use pool::settings::JobOptions;
    ///
    /// const PLAIN: JobOptions = JobOptions::new();
    /// assert_eq!(PLAIN, JobOptions::default());
    /// ```
    #[must_use]
    pub const fn new() -> JobOptions {
        JobOptions { time_limit: 0, tag: 0, max_rss: 0, retries: 0, priority: 0 }
    }

    /// Sets the time limit of each attempt; overrides the pool's time limit. `None` stands for the pool's,
    /// which is the default. Requires worker processes: on other executors the job fails with
    /// [`JobError::Unsupported`](crate::JobError::Unsupported). Stored in nanoseconds; limits of more than
    /// 584 years count as 584 years.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::{Executor, Serial, settings::JobOptions};
    ///
    /// let second = JobOptions::new().time_limit(Duration::from_secs(1));
    /// let job = Serial::new(()).submit_with(Square(3), second)?;
    /// assert!(job.result().is_err(), "the calling thread cannot be killed");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn time_limit(mut self, limit: impl Into<Option<Duration>>) -> JobOptions {
        let stored = |limit: Duration| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).saturating_add(1);
        self.time_limit = limit.into().map_or(0, stored);
        self
    }

    /// Sets how many times the job is retried after its worker died while running it; overrides
    /// [`ProcessPoolBuilder::retries`](crate::settings::ProcessPoolBuilder::retries). Default: the pool's.
    /// Without effect on executors whose workers cannot die alone. Retries after a timeout are set for the
    /// whole pool.
    ///
    /// ```
    /// use pool::settings::JobOptions;
    ///
    /// let at_most_once = JobOptions::new().retries(0); // for a job that must not run twice
    /// assert_ne!(at_most_once, JobOptions::new());
    /// ```
    #[must_use]
    pub const fn retries(mut self, retries: u32) -> JobOptions {
        self.retries = retries.saturating_add(1);
        self
    }

    /// Sets the resident size, in bytes, of the job's worker and the worker's descendants above which the
    /// worker is killed while it runs the job, which then fails and is not retried; overrides
    /// [`ProcessPoolBuilder::max_rss`](crate::settings::ProcessPoolBuilder::max_rss). Default: the pool's.
    /// Measured every 50 ms, in steps of 4 KiB; it includes what the worker holds apart from the job.
    /// Requires worker processes: on other executors the job fails with
    /// [`JobError::Unsupported`](crate::JobError::Unsupported).
    ///
    /// ```
    /// use pool::settings::JobOptions;
    ///
    /// let half_a_gigabyte = JobOptions::new().max_rss(512 << 20);
    /// assert_ne!(half_a_gigabyte, JobOptions::new());
    /// ```
    #[must_use]
    pub const fn max_rss(mut self, bytes: u64) -> JobOptions {
        let units = bytes.div_ceil(MEMORY_UNIT);
        self.max_rss = if units < u32::MAX as u64 { units as u32 + 1 } else { u32::MAX };
        self
    }

    /// Sets the priority; the default is 0, and it may be negative. Of the jobs that wait for a worker or a
    /// thread, those of the highest priority are started first, and those of equal priority in the order in
    /// which they were submitted. A running job is not interrupted. Jobs that are assigned to a worker behind
    /// it are taken back after 4 ms, unless the batch size is
    /// [fixed](crate::settings::BatchSize::Fixed) or they were
    /// [submitted as one batch](crate::Executor::submit_many). A job that is retried keeps its priority. Jobs
    /// of low priority wait for as long as jobs of higher priority keep coming. A full
    /// [queue](crate::settings::ProcessPoolBuilder::max_queued) admits jobs in the order in which they
    /// arrive, and [`Serial`](crate::Serial) runs each job when it is submitted.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use std::sync::{Arc, Mutex};
    /// use pool::{Executor, ThreadPool, settings::JobOptions};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let first = threads.submit(Gate(1))?; // runs until the gate is opened
    /// arrival(); // waits until it runs
    /// let order = Arc::new(Mutex::new(Vec::new()));
    /// for (n, priority) in [(2, -1), (3, 0), (4, 5), (5, 0)] {
    ///     let job = threads.submit_with(Gate(n), JobOptions::new().priority(priority).tag(n))?;
    ///     let order = order.clone();
    ///     job.on_done(move |job| order.lock().unwrap().push(job.tag()));
    /// }
    /// open();
    /// threads.join();
    /// assert_eq!(*order.lock().unwrap(), [4, 3, 5, 2]);
    /// # drop(first);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn priority(mut self, priority: i32) -> JobOptions {
        self.priority = priority;
        self
    }

    /// Sets a number by which the caller recognizes the job: [`JobFuture::tag`](crate::JobFuture::tag)
    /// returns it, and [`PoolEvent::BatchSent`](crate::metrics::PoolEvent::BatchSent) contains it. Default:
    /// 0, which is the same as none. Jobs that are pushed or mapped have their own tag or index instead.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool, settings::JobOptions};
    ///
    /// let job = ThreadPool::new(1, ()).submit_with(Square(3), JobOptions::new().tag(17))?;
    /// assert_eq!(job.tag(), 17);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn tag(mut self, tag: u64) -> JobOptions {
        self.tag = tag;
        self
    }

    /// Returns the time limit that was set.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pool::settings::JobOptions;
    ///
    /// let second = Duration::from_secs(1);
    /// assert_eq!(JobOptions::new().time_limit(second).get_time_limit(), Some(second));
    /// ```
    #[must_use]
    pub fn get_time_limit(&self) -> Option<Duration> {
        self.limits().time_limit
    }

    /// Returns the number of retries that was set.
    ///
    /// ```
    /// use pool::settings::JobOptions;
    ///
    /// assert_eq!(JobOptions::new().retries(0).get_retries(), Some(0));
    /// ```
    #[must_use]
    pub fn get_retries(&self) -> Option<u32> {
        self.limits().retries
    }

    /// Returns the memory limit that was set, in bytes, rounded up to a multiple of 4 KiB.
    ///
    /// ```
    /// use pool::settings::JobOptions;
    ///
    /// assert_eq!(JobOptions::new().max_rss(5000).get_max_rss(), Some(8192));
    /// ```
    #[must_use]
    pub fn get_max_rss(&self) -> Option<u64> {
        self.limits().max_rss
    }

    /// Returns the tag; 0 if none was set.
    ///
    /// ```
    /// use pool::settings::JobOptions;
    ///
    /// assert_eq!(JobOptions::new().get_tag(), 0);
    /// ```
    #[must_use]
    pub const fn get_tag(&self) -> u64 {
        self.tag
    }

    /// Returns the priority; 0 if none was set.
    ///
    /// ```
    /// use pool::settings::JobOptions;
    ///
    /// assert_eq!(JobOptions::new().priority(-3).get_priority(), -3);
    /// ```
    #[must_use]
    #[inline]
    pub const fn get_priority(&self) -> i32 {
        self.priority
    }

    /// Returns whether the job has limits of its own.
    #[inline]
    #[cfg(target_os = "linux")]
    pub(crate) const fn has_limits(self) -> bool {
        (self.time_limit | self.max_rss as u64 | self.retries as u64) != 0
    }

    /// Returns the limits for the scheduler of a process pool.
    pub(crate) fn limits(self) -> JobLimits {
        let own = |stored: u64| stored.checked_sub(1);
        JobLimits {
            time_limit: own(self.time_limit).map(Duration::from_nanos),
            retries: self.retries.checked_sub(1),
            max_rss: own(self.max_rss.into()).map(|units| units * MEMORY_UNIT),
        }
    }

    /// Returns why a job with these options cannot run in this process.
    pub(crate) fn unsupported_here(self) -> Option<&'static str> {
        if self.time_limit != 0 {
            return Some("a time limit needs worker processes");
        }
        (self.max_rss != 0).then_some("a memory limit needs worker processes")
    }
}

impl fmt::Debug for JobOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let JobLimits { time_limit, retries, max_rss } = self.limits();
        f.debug_struct("JobOptions")
            .field("time_limit", &time_limit)
            .field("retries", &retries)
            .field("max_rss", &max_rss)
            .field("tag", &self.tag)
            .field("priority", &self.priority)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_that_were_set() {
        assert!(!JobOptions::new().tag(1).priority(1).has_limits());
        assert_eq!(JobOptions::new().limits(), JobLimits::default());
        let zero = JobOptions::new().time_limit(Duration::ZERO).retries(0).max_rss(0);
        assert!(zero.has_limits());
        let none = JobLimits { time_limit: Some(Duration::ZERO), retries: Some(0), max_rss: Some(0) };
        assert_eq!(zero.limits(), none);
        let large = JobOptions::new().time_limit(Duration::MAX).retries(u32::MAX).max_rss(u64::MAX);
        let limits = large.limits();
        assert_eq!(limits.time_limit, Some(Duration::from_nanos(u64::MAX - 1)));
        assert_eq!(limits.retries, Some(u32::MAX - 1));
        assert!(limits.max_rss.is_some_and(|bytes| bytes > 1 << 43));
        assert_eq!(JobOptions::new().max_rss(5000).limits().max_rss, Some(8192), "rounded up to pages");
    }
}
