//! The public type [`ProcessPool`].

use std::{
    fmt,
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

use job::{Job, ParentStats, WorkerStats};
use sched::Event;
use wire::Transport;

use super::{
    build_error::{WorkerCountError, checked_worker_count},
    encode_queue::SubmitOffThread,
    encoder::submit_off_thread,
    flush::{break_off, cancel_waiting, close},
    shared::ProcessShared,
    submit::{self, ProcessControl},
    submitter::ProcessSubmitter,
    transaction::{Transaction, apply},
};
use crate::{
    Executor, JobFuture, JobOptions, Sink, SubmitAsync, SubmitError, Submitter, TrySubmitError, WorkerReport,
    counts::Counts,
    future::{Control, deadline_after},
    sealed::Sealed,
};

/// Executor that runs jobs on worker processes, which are started on demand.
///
/// If a worker dies, only the job that it was running is affected, and that job is retried. Dropping the pool
/// closes it and returns at once; its jobs continue in the background. Those that have not ended when `main`
/// returns are lost: [`join`](Executor::join) waits for them.
///
/// ```standalone_crate
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ProcessPool};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     pool::enter_if_worker::<Square>(); // never returns in a worker
///     let pool = ProcessPool::builder().workers(2).build()?;
///     assert_eq!(pool.submit(Square(7))?.result()?, 49);
///     let workers = pool.worker_stats();
///     assert_ne!(workers[0].pid, Some(std::process::id()));
///     pool.join();
///     Ok(())
/// }
/// ```
pub struct ProcessPool<J: Job> {
    pub(super) shared: Arc<ProcessShared<J>>,
    /// The same object, as the trait that futures use.
    control: Arc<dyn Control>,
    grace_period: Duration,
}

impl<J: Job> ProcessPool<J> {
    /// Returns a pool that uses this state.
    pub(super) fn new(shared: Arc<ProcessShared<J>>, grace_period: Duration) -> ProcessPool<J> {
        let control = Arc::new(ProcessControl(shared.clone()));
        ProcessPool { shared, control, grace_period }
    }

    /// Starts workers up to the limit, without waiting for jobs. Returns at once.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let pool = ProcessPool::builder().workers(2).build()?;
    ///     assert_eq!(pool.worker_stats().len(), 0);
    ///     pool.prestart();
    ///     assert_eq!(pool.worker_stats().len(), 2);
    ///     assert_eq!(pool.submit(Square(7))?.result()?, 49);
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn prestart(&self) {
        apply(&self.shared, Event::Prestart);
    }

    /// Submits a job that is encoded on a thread of the pool, not on the calling thread. For jobs of many
    /// megabytes in programs that must not block the thread, such as those on an asynchronous runtime. The
    /// returned future resolves to that of the job once the job was submitted; until then it waits for the
    /// jobs before it, which are encoded one after another, and for
    /// [room](crate::settings::ProcessPoolBuilder::max_queued) in the queue. Jobs that wait for this are not
    /// [counted](Executor::counts) yet, and their number is not bounded. They are refused when the pool is
    /// closed.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool, settings::JobOptions};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let pool = ProcessPool::builder().workers(1).build()?;
    ///     let square = smol::block_on(async {
    ///         let job = pool.submit_off_thread(Square(7), JobOptions::new()).await?;
    ///         Ok::<u64, Box<dyn std::error::Error>>(job.await?)
    ///     });
    ///     assert_eq!(square?, 49);
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn submit_off_thread(&self, job: J, options: JobOptions) -> SubmitOffThread<J> {
        submit_off_thread(&self.shared, &self.control, job, options)
    }

    /// Changes the maximum number of workers, from 1 to [`MAX_WORKERS`](crate::settings::MAX_WORKERS).
    /// Returns at once. If there are more, idle workers exit first, then those that run out of jobs; running
    /// jobs are not interrupted.
    ///
    /// # Errors
    /// [`WorkerCountError`] if `workers` is out of range.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let pool = ProcessPool::<Square>::builder().workers(1).build()?;
    ///     pool.resize(2)?;
    ///     assert_eq!(pool.workers(), 2);
    ///     assert!(pool.resize(0).is_err());
    ///     Ok(())
    /// }
    /// ```
    pub fn resize(&self, workers: usize) -> Result<(), WorkerCountError> {
        let workers = checked_worker_count(workers)?;
        apply(&self.shared, Event::Resized(workers));
        Ok(())
    }

    /// Returns the transport in use. It is the channel, although rings were
    /// [requested](crate::settings::ProcessPoolBuilder::transport), if shared memory of the required size is
    /// not available.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{ProcessPool, settings::Transport};
    ///
    /// let pool = ProcessPool::<Square>::builder().transport(Transport::Channel).build()?;
    /// assert_eq!(pool.transport(), Transport::Channel);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.shared.spawn_config.transport
    }

    /// Returns why the channel is used although rings were requested; `None` if that is not the case.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{ProcessPool, settings::Transport};
    ///
    /// let pool = ProcessPool::<Square>::builder().transport(Transport::Channel).build()?;
    /// assert_eq!(pool.transport_fallback(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn transport_fallback(&self) -> Option<String> {
        self.shared.spawn_config.transport_fallback.as_ref().map(ToString::to_string)
    }

    /// Returns the parts of the [sandbox](crate::settings::ProcessPoolBuilder::sandbox) that are missing:
    /// those that the kernel lacks, and those that a worker could not apply. Empty if it is complete or off.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::ProcessPool;
    ///
    /// let pool = ProcessPool::<Square>::builder().build()?;
    /// assert!(pool.sandbox_gaps().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn sandbox_gaps(&self) -> Vec<String> {
        self.shared.spawn_config.sandbox.gaps()
    }

    /// Stops the pool: sends SIGTERM to all workers and their jobs' processes, and SIGKILL to those that have
    /// not exited after [`grace_period`](crate::settings::ProcessPoolBuilder::grace_period). Unfinished jobs
    /// are cancelled. Returns at once; [`join`](Executor::join) waits for the end.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let pool = ProcessPool::<Square>::builder().workers(1).build()?;
    ///     pool.prestart();
    ///     pool.terminate_workers();
    ///     assert!(pool.submit(Square(1)).is_err());
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn terminate_workers(&self) {
        apply(&self.shared, Event::Stopped { grace: self.grace_period, terminate: true });
    }

    /// Stops the pool and kills all workers and their jobs' processes. Unfinished jobs are cancelled. Returns
    /// at once; [`join`](Executor::join) waits for the end. Another name of
    /// [`shutdown_now`](Executor::shutdown_now), beside
    /// [`terminate_workers`](ProcessPool::terminate_workers).
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let pool = ProcessPool::<Square>::builder().workers(1).build()?;
    ///     let job = pool.submit(Square(1))?;
    ///     pool.kill_workers();
    ///     pool.join();
    ///     assert!(job.is_done(), "with an output or cancelled");
    ///     Ok(())
    /// }
    /// ```
    pub fn kill_workers(&self) {
        self.shutdown_now();
    }

    /// Breaks the pool for this cause: sends SIGTERM to all workers and their jobs' processes, and SIGKILL to
    /// those that have not exited after `grace`; only SIGKILL if that is zero. Jobs that were assigned to a
    /// worker, and may have run in part, fail with [`JobError::Broken`](crate::JobError::Broken); those that
    /// were not are cancelled. Returns at once; [`join`](Executor::join) waits for the end.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::{Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let pool = ProcessPool::<Square>::builder().workers(1).build()?;
    ///     pool.break_off(Duration::ZERO, "the operator ended it");
    ///     assert_eq!(pool.broken().as_deref(), Some("the operator ended it"));
    ///     assert!(pool.submit(Square(1)).is_err());
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn break_off(&self, grace: Duration, cause: &str) {
        break_off(&self.shared, grace, cause);
    }
}

impl<J: Job> Sealed for ProcessPool<J> {
    fn poll_end(&self, context: &mut task::Context<'_>) -> Poll<()> {
        self.shared.threads.poll_end(context)
    }
}

impl<J: Job> Executor<J> for ProcessPool<J> {
    fn submitter(&self, sink: Arc<dyn Sink<J>>) -> Box<dyn Submitter<J>> {
        Box::new(ProcessSubmitter::new(self.shared.clone(), sink))
    }

    fn submit_with(&self, job: J, options: JobOptions) -> Result<JobFuture<J>, SubmitError> {
        submit::submit(&self.shared, &self.control, &job, options)
    }

    fn try_submit_with(&self, job: J, options: JobOptions) -> Result<JobFuture<J>, TrySubmitError<J>> {
        submit::try_submit(&self.shared, &self.control, job, options)
    }

    fn submit_async_with(&self, job: J, options: JobOptions) -> SubmitAsync<'_, J> {
        submit::submit_async(&self.shared, &self.control, job, options)
    }

    fn submit_many(&self, jobs: Vec<J>, options: JobOptions) -> Result<Vec<JobFuture<J>>, SubmitError> {
        submit::submit_together(&self.shared, &self.control, &jobs, options)
    }

    fn workers(&self) -> usize {
        self.shared.workers()
    }

    fn cancel_waiting(&self) {
        cancel_waiting(&self.shared);
    }

    fn close(&self) {
        close(&self.shared);
    }

    fn stop(&self, grace: Duration) {
        apply(&self.shared, Event::Stopped { grace, terminate: false });
    }

    fn pause(&self) {
        apply(&self.shared, Event::Paused);
        self.shared.handles().iter().for_each(|handle| handle.pause());
    }

    fn resume(&self) {
        self.shared.handles().iter().for_each(|handle| handle.resume());
        let mut transaction = Transaction::begin(&self.shared);
        transaction.apply(Event::Resumed);
        transaction.plan_collection();
        transaction.commit();
    }

    fn shutdown_timeout(&self, time: Duration) -> bool {
        self.close();
        self.shared.threads.join(deadline_after(time))
    }

    fn reports(&self) -> Vec<WorkerReport<J>> {
        std::mem::take(&mut self.shared.state.lock().reports)
    }

    fn worker_stats(&self) -> Vec<WorkerStats> {
        self.shared.worker_stats()
    }

    fn counts(&self) -> Counts {
        self.shared.counts()
    }

    fn parent_stats(&self) -> ParentStats {
        self.shared.parent_stats()
    }

    fn broken(&self) -> Option<Arc<str>> {
        self.shared.broken()
    }
}

impl<J: Job> fmt::Debug for ProcessPool<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPool").field("workers", &self.workers()).finish_non_exhaustive()
    }
}

impl<J: Job> Drop for ProcessPool<J> {
    fn drop(&mut self) {
        // Nothing else can resume stopped workers or release held jobs once the pool is dropped.
        self.resume();
        self.release();
        self.close();
    }
}
