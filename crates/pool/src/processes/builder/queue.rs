//! Bounds of the queue.

use job::Job;

use super::ProcessPoolBuilder;

/// Bounds of the queue. Without one, submitting never blocks, and the backlog is limited by memory alone.
///
/// A job is *queued* from its submission until it is assigned to a worker, as
/// [`Counts::queued`](crate::metrics::Counts::queued) says. Workers are assigned up to three batches each,
/// which do not count; if their jobs return to the queue, because the worker died or others are idle, they
/// count again and may exceed the bound. While the queue is full, [`submit`](crate::Executor::submit) blocks,
/// [`submit_async`](crate::Executor::submit_async) waits, and [`try_submit`](crate::Executor::try_submit)
/// fails.
///
/// Jobs of submitters and maps count, but never wait: a map bounds its own jobs by its buffer, and
/// [`push`](crate::stream::Submitter::push) is documented not to block. `submit` does not wait either when it
/// is called by a callback, a sink or an observer, on whose return the jobs of the queue may depend; the
/// queue then exceeds the bound.
impl<J: Job> ProcessPoolBuilder<J> {
    /// Sets the maximum number of queued jobs; 0 counts as 1. Default: no limit. An empty queue accepts any
    /// number of jobs that are [submitted together](crate::Executor::submit_many).
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let pool = ProcessPool::builder().workers(1).max_queued(50).build()?;
    ///     let mut jobs = Vec::new();
    ///     for n in 0..1000 {
    ///         jobs.push(pool.submit(Square(n))?); // blocks while 50 jobs are queued
    ///         assert!(pool.counts().queued <= 50);
    ///     }
    ///     assert_eq!(jobs[999].result()?, 998_001);
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn max_queued(mut self, jobs: usize) -> Self {
        self.queue_limits.jobs = jobs as u64;
        self
    }

    /// Sets the maximum encoded size of the queued jobs, in bytes; 0 counts as 1. Default: no limit. An empty
    /// queue accepts a job of any size.
    ///
    /// The size of a job is known only after it was encoded. Until then, it counts with the size of the job
    /// before it, so the queue can exceed the bound by the amount by which jobs that are submitted at the
    /// same time are larger than that.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let pool = ProcessPool::builder().workers(1).max_queued_bytes(1 << 20).build()?;
    ///     let jobs: Vec<_> = (0..1000).map(|n| pool.submit(Square(n))).collect::<Result<_, _>>()?;
    ///     assert_eq!(jobs[999].result()?, 998_001);
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn max_queued_bytes(mut self, bytes: u64) -> Self {
        self.queue_limits.bytes = bytes;
        self
    }
}
