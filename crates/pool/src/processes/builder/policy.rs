//! Settings of the scheduler: retries, timeouts, and limits on jobs and workers.

use std::{num::NonZeroU64, time::Duration};

use job::Job;
use sched::{BatchSize, OnWorkerDeath};

use super::{ProcessPoolBuilder, SLOW_START};

/// Settings of the scheduler: retries, timeouts, and limits on jobs and workers.
impl<J: Job> ProcessPoolBuilder<J> {
    /// Sets how many times a job is retried after its worker died while running it. Default: 2.
    ///
    /// ```standalone_crate
    /// use pool::{Executor, Job, JobError, ProcessPool, error::RemoteError};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Abort;
    ///
    /// impl Job for Abort {
    ///     const NAME: &'static str = "abort";
    ///     type Output = ();
    ///     type Error = RemoteError;
    ///     type Context = ();
    ///
    ///     fn run(self, _: &mut ()) -> Result<(), RemoteError> {
    ///         std::process::abort()
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Abort>();
    ///     let pool = ProcessPool::builder().workers(1).retries(1).build()?;
    ///     let outcome = pool.submit(Abort)?.join();
    ///     assert!(matches!(outcome, Err(JobError::Crashed(crash)) if crash.attempts == 2));
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn retries(mut self, retries: u32) -> Self {
        self.settings.retries = retries;
        self
    }

    /// Sets how many times a job is retried after it exceeded its time limit. Default: 0.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::{Executor, ProcessPool};
    ///
    /// // One retry, because a slow machine may be the cause of a timeout.
    /// let settings = ProcessPool::<Square>::builder().time_limit(Duration::from_secs(5)).timeout_retries(1);
    /// assert!(settings.build()?.broken().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timeout_retries(mut self, retries: u32) -> Self {
        self.settings.timeout_retries = retries;
        self
    }

    /// Sets the time limit of jobs without one of their own, counted from the start of the job. Default:
    /// none. The worker of a job that runs longer is terminated, and the job fails with
    /// [`JobError::TimedOut`](crate::JobError::TimedOut).
    ///
    /// ```standalone_crate
    /// use std::time::Duration;
    /// use pool::{Executor, Job, JobError, ProcessPool, error::RemoteError};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Sleep(Duration);
    ///
    /// impl Job for Sleep {
    ///     const NAME: &'static str = "sleep";
    ///     type Output = ();
    ///     type Error = RemoteError;
    ///     type Context = ();
    ///
    ///     fn run(self, _: &mut ()) -> Result<(), RemoteError> {
    ///         std::thread::sleep(self.0);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Sleep>();
    ///     let limit = Duration::from_millis(50);
    ///     let pool = ProcessPool::builder().workers(1).time_limit(limit).build()?;
    ///     let outcome = pool.submit(Sleep(Duration::from_secs(3600)))?.join();
    ///     assert!(matches!(outcome, Err(JobError::TimedOut(timeout)) if timeout.attempts == 1));
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.settings.limit = Some(limit);
        self
    }

    /// Sets the time between SIGTERM and SIGKILL when a worker is terminated after a timeout or by
    /// [`terminate_workers`](crate::ProcessPool::terminate_workers). Default: 1 second.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::{Executor, ProcessPool};
    ///
    /// // Programs started by jobs have a tenth of a second to clean up.
    /// let settings = ProcessPool::<Square>::builder().time_limit(Duration::from_secs(5));
    /// let pool = settings.grace_period(Duration::from_millis(100)).build()?;
    /// assert!(pool.broken().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn grace_period(mut self, time: Duration) -> Self {
        self.settings.grace_period = time;
        self
    }

    /// Sets the number of jobs after which a worker is replaced. Default: no limit. Use it for jobs that
    /// leave something behind, such as a leak in a foreign library. With several workers and 8 jobs or more,
    /// some workers are replaced up to an eighth earlier, so that not all of them leave at once.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::num::NonZeroU64;
    /// use pool::{Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let three = NonZeroU64::new(3).unwrap();
    ///     let pool = ProcessPool::builder().workers(1).max_jobs_per_worker(three).build()?;
    ///     assert_eq!(pool.map((0..6).map(Square)).filter_map(Result::ok).count(), 6);
    ///     pool.join();
    ///     let served: Vec<u64> = pool.worker_stats().iter().map(|worker| worker.jobs).collect();
    ///     assert_eq!(served, [3, 3]);
    ///     Ok(())
    /// }
    /// ```
    pub fn max_jobs_per_worker(mut self, jobs: NonZeroU64) -> Self {
        self.settings.max_jobs_per_worker = Some(jobs);
        self
    }

    /// Sets the maximum resident size, in bytes, of a worker together with the processes that its jobs start.
    /// Default: no limit. It is checked every 50 ms. A worker that exceeds it is killed, and its running job
    /// fails with [`JobError::OutOfMemory`](crate::JobError::OutOfMemory).
    ///
    /// Unlike [`max_memory`](Self::max_memory), this counts memory that is used, not reserved, and cannot
    /// stop a job that allocates a lot at once before the memory is in use.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::ProcessPool;
    ///
    /// let pool = ProcessPool::<Square>::builder().max_rss(2 << 30).recycle_rss(1 << 30).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_rss(mut self, bytes: u64) -> Self {
        self.settings.max_rss = Some(bytes);
        self
    }

    /// Sets the resident size, in bytes, of a worker together with the processes that its jobs start, above
    /// which the worker is replaced after its running job. Default: no limit. It is checked every 50 ms. Use
    /// it for jobs that leak memory.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::ProcessPool;
    ///
    /// let pool = ProcessPool::<Square>::builder().recycle_rss(1 << 30).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recycle_rss(mut self, bytes: u64) -> Self {
        self.settings.recycle_rss = Some(bytes);
        self
    }

    /// Sets whether a spare worker is kept ready while starts are slow, so that a worker that leaves is
    /// replaced at once. Default: true, except that [pinned](Self::pin) workers have no spare one, which
    /// would have no core of its own.
    ///
    /// Starts are slow if each of the last ones took more than 50 ms, including the worker's state. The spare
    /// worker is an additional process that runs no jobs until it takes the place of another one; it has the
    /// next free slot. It is started when a worker has crashed or was killed, or from the beginning if
    /// workers are replaced by [number of jobs](Self::max_jobs_per_worker) or [size](Self::recycle_rss), and
    /// only while all other workers are busy.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::ProcessPool;
    ///
    /// // The state of a worker takes all memory of a graphics card, and there is one card for each worker.
    /// let pool = ProcessPool::<Square>::builder().workers(2).spare_worker(false).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spare_worker(mut self, is_kept: bool) -> Self {
        self.settings.spare_above = is_kept.then_some(SLOW_START);
        self
    }

    /// Sets how long a worker may take to start, including its state. Default: 1 minute. A worker that takes
    /// longer is killed and counts as a failed start.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::ProcessPool;
    ///
    /// let pool = ProcessPool::<Square>::builder().start_timeout(Duration::from_secs(10)).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start_timeout(mut self, time: Duration) -> Self {
        self.settings.start_timeout = time;
        self
    }

    /// Sets how long a worker may take to exit, including
    /// [`Context::finish`](crate::worker::Context::finish). Default: 5 seconds. A worker that takes longer is
    /// killed.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::ProcessPool;
    ///
    /// let pool = ProcessPool::<Square>::builder().exit_timeout(Duration::from_secs(60)).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn exit_timeout(mut self, time: Duration) -> Self {
        self.settings.exit_timeout = time;
        self
    }

    /// Sets how long a worker may be idle before it exits. Default: workers do not exit. Workers are started
    /// again on demand.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::ProcessPool;
    ///
    /// let pool = ProcessPool::<Square>::builder().idle_timeout(Duration::from_secs(60)).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.settings.idle_timeout = Some(time);
        self
    }

    /// Sets the number of jobs in a batch. Default: chosen from the measured cost of jobs.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::num::NonZeroU64;
    /// use pool::{Executor, ProcessPool, settings::BatchSize};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let one_each = BatchSize::Fixed(NonZeroU64::MIN);
    ///     let pool = ProcessPool::builder().workers(1).batch_size(one_each).build()?;
    ///     assert_eq!(pool.map((0..50).map(Square)).filter_map(Result::ok).count(), 50);
    ///     pool.join();
    ///     assert_eq!(pool.worker_stats()[0].batches, 50);
    ///     Ok(())
    /// }
    /// ```
    pub fn batch_size(mut self, batch_size: BatchSize) -> Self {
        self.settings.batch_size = batch_size;
        self
    }

    /// Sets the minimum time between the starts of two jobs, which also limits the rate of jobs. Default: no
    /// delay. Each job is then in a batch of its own and is assigned to an idle worker only. So this is for
    /// jobs of at least some milliseconds. Retries count as starts. Jobs that are submitted
    /// [together](crate::Executor::submit_many) count as one start.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::{Duration, Instant};
    /// use pool::{Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let delay = Duration::from_millis(20);
    ///     let pool = ProcessPool::builder().workers(2).start_delay(delay).build()?;
    ///     let start = Instant::now();
    ///     assert_eq!(pool.map((0..4).map(Square)).filter_map(Result::ok).sum::<u64>(), 14);
    ///     assert!(start.elapsed() >= 3 * delay);
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn start_delay(mut self, delay: Duration) -> Self {
        self.settings.start_delay = delay;
        self
    }

    /// Sets what happens to the other workers when one dies. Default: they go on, and the worker is replaced.
    ///
    /// ```standalone_crate
    /// use pool::{Executor, Job, JobError, ProcessPool, error::RemoteError, settings::OnWorkerDeath};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Abort;
    ///
    /// impl Job for Abort {
    ///     const NAME: &'static str = "abort";
    ///     type Output = ();
    ///     type Error = RemoteError;
    ///     type Context = ();
    ///
    ///     fn run(self, _: &mut ()) -> Result<(), RemoteError> {
    ///         std::process::abort()
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Abort>();
    ///     let settings = ProcessPool::builder().workers(1).on_worker_death(OnWorkerDeath::Break);
    ///     let pool = settings.build()?;
    ///     let jobs = [pool.submit(Abort), pool.submit(Abort)];
    ///     for job in jobs.into_iter().flatten() {
    ///         assert!(matches!(job.join(), Err(JobError::Broken(_))));
    ///     }
    ///     assert!(pool.broken().is_some());
    ///     Ok(())
    /// }
    /// ```
    pub fn on_worker_death(mut self, policy: OnWorkerDeath) -> Self {
        self.settings.on_worker_death = policy;
        self
    }
}
