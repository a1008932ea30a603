//! Settings of a pool.

use std::fmt;

use job::{Context, Job};

use super::ThreadPool;
use crate::{available_cores, pressure::Limits};

/// Settings of a [`ThreadPool`]; each has a default.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ThreadPool};
///
/// let threads = ThreadPool::<Square>::builder().workers(2).max_queued(100).build();
/// assert_eq!(threads.workers(), 2);
/// ```
#[must_use]
pub struct ThreadPoolBuilder<J: Job> {
    args: <J::Context as Context>::Args,
    workers: usize,
    queue_limits: Limits,
}

impl<J: Job> ThreadPool<J>
where
    <J::Context as Context>::Args: Default,
{
    /// Returns the default settings of a pool whose threads build their state from default arguments.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool, settings::available_cores};
    ///
    /// let threads = ThreadPool::<Square>::builder().build();
    /// assert_eq!(threads.workers(), available_cores());
    /// ```
    pub fn builder() -> ThreadPoolBuilder<J> {
        ThreadPool::builder_with(Default::default())
    }

    /// Creates a pool of up to `workers` threads, at least one, with default settings and arguments.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// assert_eq!(ThreadPool::with_workers(2).submit(Square(7))?.result()?, 49);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_workers(workers: usize) -> ThreadPool<J> {
        ThreadPool::builder().workers(workers).build()
    }
}

impl<J: Job> ThreadPool<J> {
    /// Returns the default settings of a pool whose threads each build their state from `args`, once, before
    /// their first job.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::builder_with(()).workers(2).build();
    /// assert_eq!(threads.submit(Square(7))?.result()?, 49);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder_with(args: <J::Context as Context>::Args) -> ThreadPoolBuilder<J> {
        ThreadPoolBuilder { args, workers: available_cores(), queue_limits: Limits::NONE }
    }
}

impl<J: Job> ThreadPoolBuilder<J> {
    /// Sets the maximum number of threads; 0 counts as 1. Default: [`available_cores`].
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// assert_eq!(ThreadPool::<Square>::builder().workers(3).build().workers(), 3);
    /// ```
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Sets the maximum number of queued jobs: those that were submitted and that no thread has claimed; a
    /// thread may claim several short jobs at a time. 0 counts as 1. Default: no limit. While the queue is
    /// full, [`submit`](crate::Executor::submit) blocks, [`submit_async`](crate::Executor::submit_async)
    /// waits, and [`try_submit`](crate::Executor::try_submit) fails.
    ///
    /// Jobs that a thread puts back, because those before them take longer than expected, count again. Jobs
    /// of submitters and maps count, but never wait. A job of this pool and a callback that call `submit` do
    /// not wait either, because their thread may be the one that has to make room; the queue then exceeds the
    /// bound.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::builder().workers(1).max_queued(50).build();
    /// let mut jobs = Vec::new();
    /// for n in 0..1000 {
    ///     jobs.push(threads.submit(Square(n))?); // blocks while 50 jobs are queued
    /// }
    /// assert_eq!(jobs[999].result()?, 998_001);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_queued(mut self, jobs: usize) -> Self {
        self.queue_limits.jobs = jobs as u64;
        self
    }

    /// Builds the pool. No thread is started before the first job.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// assert!(ThreadPool::<Square>::builder().build().worker_stats().is_empty());
    /// ```
    #[must_use]
    pub fn build(self) -> ThreadPool<J> {
        ThreadPool::with_limits(self.workers, self.args, self.queue_limits)
    }
}

impl<J: Job> fmt::Debug for ThreadPoolBuilder<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPoolBuilder").field("workers", &self.workers).finish_non_exhaustive()
    }
}
