//! How jobs and workers are treated: what the scheduler goes by.

use std::{num::NonZeroU64, time::Duration};

use job::Job;
use sched::{BatchSize, OnWorkerDeath};

use super::ProcessPoolBuilder;

/// How jobs and workers are treated.
impl<J: Job> ProcessPoolBuilder<J> {
    /// How often a job is tried again after its worker died in it; 2 by default.
    ///
    /// ```standalone_crate
    /// use pool::{Executor, JobError, Job, ProcessPool};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Abort;
    ///
    /// impl Job for Abort {
    ///     const NAME: &'static str = "abort";
    ///     type Output = ();
    ///     type Error = String;
    ///     type Context = ();
    ///
    ///     fn run(self, _: &mut ()) -> Result<(), String> {
    ///         std::process::abort()
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Abort>();
    ///     let pool = ProcessPool::builder().workers(1).retries(1).build()?;
    ///     let outcome = pool.submit(Abort)?.take(None)?;
    ///     assert!(matches!(outcome, Err(JobError::Crashed { attempts: 2, .. })));
    ///     pool.shutdown(true, false);
    ///     Ok(())
    /// }
    /// ```
    pub fn retries(mut self, retries: u32) -> Self {
        self.settings.retries = retries;
        self
    }

    /// How often a job is tried again after it ran past its time limit; 0 by default.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::{Executor, ProcessPool};
    ///
    /// // For limits that a slow machine, not the job, may be to blame for.
    /// let settings = ProcessPool::<Square>::builder().time_limit(Duration::from_secs(5)).timeout_retries(1);
    /// assert!(settings.build()?.broken().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timeout_retries(mut self, retries: u32) -> Self {
        self.settings.timeout_retries = retries;
        self
    }

    /// A time limit for each job that has none of its own, counted from the job's start. A job that runs longer is
    /// ended together with its worker, and [`JobError::TimedOut`](crate::JobError::TimedOut). By default there is none.
    ///
    /// ```standalone_crate
    /// use std::time::Duration;
    /// use pool::{Executor, JobError, Job, ProcessPool};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Sleep(Duration);
    ///
    /// impl Job for Sleep {
    ///     const NAME: &'static str = "sleep";
    ///     type Output = ();
    ///     type Error = String;
    ///     type Context = ();
    ///
    ///     fn run(self, _: &mut ()) -> Result<(), String> {
    ///         std::thread::sleep(self.0);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Sleep>();
    ///     let limit = Duration::from_millis(50);
    ///     let pool = ProcessPool::builder().workers(1).time_limit(limit).build()?;
    ///     let outcome = pool.submit(Sleep(Duration::from_secs(3600)))?.take(None)?;
    ///     assert!(matches!(outcome, Err(JobError::TimedOut { attempts: 1, .. })));
    ///     pool.shutdown(true, false);
    ///     Ok(())
    /// }
    /// ```
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.settings.limit = Some(limit);
        self
    }

    /// How long a worker that was sent SIGTERM, because its job ran too long or by
    /// [`terminate_workers`](crate::ProcessPool::terminate_workers), has to end before SIGKILL; 1 second by default.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::{Executor, ProcessPool};
    ///
    /// // A tenth of a second for the jobs' programs to clean up, and not more.
    /// let settings = ProcessPool::<Square>::builder().time_limit(Duration::from_secs(5));
    /// let pool = settings.grace_period(Duration::from_millis(100)).build()?;
    /// assert!(pool.broken().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn grace_period(mut self, time: Duration) -> Self {
        self.settings.grace_period = time;
        self
    }

    /// How many jobs a worker serves before another takes its place; by default there is no limit. For jobs that leave
    /// something behind, as a leak in a foreign library does.
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
    ///     assert_eq!(pool.map((0..6).map(Square)).into_iter().flatten().count(), 6);
    ///     pool.shutdown(true, false);
    ///     let served: Vec<u64> = pool.worker_stats().iter().map(|worker| worker.jobs).collect();
    ///     assert_eq!(served, [3, 3]);
    ///     Ok(())
    /// }
    /// ```
    pub fn max_jobs_per_worker(mut self, jobs: NonZeroU64) -> Self {
        self.settings.max_jobs_per_worker = Some(jobs);
        self
    }

    /// Resident size, in bytes, that a worker and what its jobs have started may have together; by default there is no limit.
    /// Looked at every 50 ms. A worker that is larger is killed, and the job that it is in fails with
    /// [`JobError::Memory`](crate::JobError::Memory).
    ///
    /// Unlike [`max_memory`](Self::max_memory) it counts what is used, not what is reserved, and it cannot stop a job that
    /// takes much memory at once before it has it.
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

    /// Resident size, in bytes, of a worker and what its jobs have started, above which another worker takes its place after
    /// the job that it is in; by default there is no such limit. Looked at every 50 ms. For jobs that leak memory.
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

    /// How long a worker may take to start, its state included; 1 minute by default. One that takes longer is killed,
    /// and counts as one that could not be started.
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

    /// How long a worker may take to leave, [`Context::finish`](crate::Context::finish) included; 5 seconds by default.
    /// One that takes longer is killed.
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

    /// How long a worker may have nothing to do before it leaves; by default it stays. Workers are started again when
    /// there is work for them.
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

    /// How many jobs go into a batch; by default as many as pay off.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::num::NonZeroU64;
    /// use pool::{BatchSize, Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let one_each = BatchSize::Fixed(NonZeroU64::MIN);
    ///     let pool = ProcessPool::builder().workers(1).batch_size(one_each).build()?;
    ///     assert_eq!(pool.map((0..50).map(Square)).into_iter().flatten().count(), 50);
    ///     pool.shutdown(true, false);
    ///     assert_eq!(pool.worker_stats()[0].batches, 50);
    ///     Ok(())
    /// }
    /// ```
    pub fn batch_size(mut self, batch_size: BatchSize) -> Self {
        self.settings.batch_size = batch_size;
        self
    }

    /// What the death of a worker means to the others; by default the pool heals.
    ///
    /// ```standalone_crate
    /// use pool::{Executor, JobError, Job, OnWorkerDeath, ProcessPool};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Abort;
    ///
    /// impl Job for Abort {
    ///     const NAME: &'static str = "abort";
    ///     type Output = ();
    ///     type Error = String;
    ///     type Context = ();
    ///
    ///     fn run(self, _: &mut ()) -> Result<(), String> {
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
    ///         assert!(matches!(job.take(None)?, Err(JobError::Abandoned(_))));
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
