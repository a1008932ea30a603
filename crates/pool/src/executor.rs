//! The interface of process pools, thread pools and the serial executor.

use std::{sync::Arc, time::Duration};

use job::{Job, ParentStats, WorkerStats};

use crate::{
    JobFuture, JobOptions, Sink, SubmitAsync, SubmitError, Submitter, TrySubmitError, WorkerReport,
    counts::Counts,
    map::{Map, MapUnordered},
    sealed::Sealed,
    shutdown::Shutdown,
};

/// Runs jobs: implemented by [`ProcessPool`](crate::ProcessPool), [`ThreadPool`](crate::ThreadPool) and
/// [`Serial`](crate::Serial).
///
/// The trait is dyn compatible. Methods that need the executor's type, such as [`map`](Executor::map), have
/// the bound `Self: Sized` and are not available on `dyn Executor`.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, Serial, ThreadPool};
///
/// fn sum_of_squares(executor: &impl Executor<Square>) -> u64 {
///     executor.map((1..=3).map(Square)).filter_map(Result::ok).sum()
/// }
/// assert_eq!(sum_of_squares(&Serial::new(())), 14);
/// assert_eq!(sum_of_squares(&ThreadPool::new(2, ())), 14);
/// ```
pub trait Executor<J: Job>: Sealed + Send + Sync {
    /// Returns a handle for pushing jobs whose outcomes go to `sink`. An executor can have several submitters
    /// at a time. Jobs that are pushed after the executor was closed or dropped are cancelled.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::*;
    /// use std::sync::Arc;
    /// use pool::{Executor, ThreadPool, settings::JobOptions};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let sink = Arc::new(Collected::default()); // keeps each tag and output
    /// let mut submitter = threads.submitter(sink.clone());
    /// (1..=3).for_each(|n| submitter.push(n, Square(n), JobOptions::default()));
    /// drop(submitter);
    /// threads.join();
    /// let mut squares = sink.0.lock().unwrap();
    /// squares.sort();
    /// assert_eq!(*squares, [(1, Some(1)), (2, Some(4)), (3, Some(9))]);
    /// ```
    fn submitter(&self, sink: Arc<dyn Sink<J>>) -> Box<dyn Submitter<J>>;

    /// Submits a job and returns its future. Never waits for a worker, except that [`Serial`](crate::Serial)
    /// runs the job before it returns, and that it blocks while the queue of an executor with a
    /// [bound](crate::settings::ProcessPoolBuilder::max_queued) is full.
    ///
    /// A job for worker processes that cannot be encoded, or not in 4 GiB, is accepted, and its outcome is a
    /// failure. A large [`Blob`](crate::data::Blob) takes only a few of these bytes.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::{Executor, JobError, ThreadPool, settings::JobOptions};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let limited = JobOptions::new().time_limit(Duration::from_secs(1));
    /// let job = threads.submit_with(Square(3), limited)?;
    /// // Only worker processes can be killed when the time limit expires, so the job fails on a thread.
    /// assert!(matches!(job.result(), Err(JobError::Unsupported(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SubmitError::Closed`] if the executor was closed or stopped, [`SubmitError::Broken`] if it is
    /// broken.
    fn submit_with(&self, job: J, options: JobOptions) -> Result<JobFuture<J>, SubmitError>;

    /// Submits a job with default options; see [`submit_with`](Executor::submit_with).
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let (three, four) = (threads.submit(Square(3))?, threads.submit(Square(4))?);
    /// assert_eq!(three.result()? + four.result()?, 25);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SubmitError::Closed`] if the executor was closed or stopped, [`SubmitError::Broken`] if it is
    /// broken.
    fn submit(&self, job: J) -> Result<JobFuture<J>, SubmitError> {
        self.submit_with(job, JobOptions::default())
    }

    #[doc = include_str!("../doc/executor/try_submit.md")]
    fn try_submit(&self, job: J) -> Result<JobFuture<J>, TrySubmitError<J>> {
        self.try_submit_with(job, JobOptions::default())
    }

    #[doc = include_str!("../doc/executor/try_submit_with.md")]
    fn try_submit_with(&self, job: J, options: JobOptions) -> Result<JobFuture<J>, TrySubmitError<J>> {
        self.submit_with(job, options).map_err(TrySubmitError::Refused)
    }

    #[doc = include_str!("../doc/executor/submit_async.md")]
    fn submit_async(&self, job: J) -> SubmitAsync<'_, J> {
        self.submit_async_with(job, JobOptions::default())
    }

    #[doc = include_str!("../doc/executor/submit_async_with.md")]
    fn submit_async_with(&self, job: J, options: JobOptions) -> SubmitAsync<'_, J> {
        SubmitAsync::ready(self.submit_with(job, options))
    }

    /// Submits jobs that are sent to a worker together, in one batch, which reduces the overhead of short
    /// jobs. Executors without batches submit them one by one. Returns the futures in the order of the jobs.
    /// Otherwise like [`submit_with`](Executor::submit_with).
    ///
    /// # Errors
    /// As for [`submit_with`](Executor::submit_with). On an error none of the jobs has been accepted, except
    /// on executors without batches, which may have accepted the first ones.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool, settings::JobOptions};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let futures = threads.submit_many(vec![Square(2), Square(3)], JobOptions::default())?;
    /// assert_eq!((futures[0].result()?, futures[1].result()?), (4, 9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn submit_many(&self, jobs: Vec<J>, options: JobOptions) -> Result<Vec<JobFuture<J>>, SubmitError> {
        jobs.into_iter().map(|job| self.submit_with(job, options)).collect()
    }

    /// Runs the jobs of an iterator and yields their outputs in the order of the jobs. Lazy: see [`Map`].
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let squares: Result<Vec<u64>, _> = threads.map([3, 1, 2].map(Square)).collect();
    /// assert_eq!(squares?, [9, 1, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn map<I: IntoIterator<Item = J>>(&self, jobs: I) -> Map<'_, J, Self, I::IntoIter>
    where
        Self: Sized,
    {
        Map::new(self, Self::submitter, jobs.into_iter())
    }

    /// Runs the jobs of an iterator and yields their outputs in order of completion, each with the index of
    /// its job. Lazy, like [`map`](Executor::map).
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let mut squares = [0; 3];
    /// for (index, square) in threads.map_unordered([3, 1, 2].map(Square)) {
    ///     squares[index] = square.unwrap();
    /// }
    /// assert_eq!(squares, [9, 1, 4]);
    /// ```
    fn map_unordered<I: IntoIterator<Item = J>>(&self, jobs: I) -> MapUnordered<'_, J, Self, I::IntoIter>
    where
        Self: Sized,
    {
        Map::new(self, Self::submitter, jobs.into_iter())
    }

    /// Maximum number of jobs that run at the same time.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, Serial, ThreadPool};
    ///
    /// assert_eq!(Serial::<Square>::new(()).workers(), 1);
    /// assert_eq!(ThreadPool::<Square>::new(4, ()).workers(), 4);
    /// ```
    fn workers(&self) -> usize;

    /// Cancels the jobs that have not been assigned to a worker. The executor stays open for other jobs.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let one_thread = ThreadPool::new(1, ());
    /// let first = one_thread.submit(Gate(1))?; // runs until the gate is opened
    /// arrival(); // waits until it runs
    /// let second = one_thread.submit(Gate(2))?;
    /// one_thread.cancel_waiting();
    /// assert!(second.is_cancelled() && !first.is_done());
    /// open();
    /// assert_eq!(first.result()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn cancel_waiting(&self);

    /// Closes the executor and waits until all jobs are resolved and all workers have exited. Returns
    /// immediately when called from one of the executor's own threads, for example by a callback.
    ///
    /// Dropping an executor closes it as well, but does not wait: its jobs continue in the background, and
    /// those that have not ended when `main` returns are lost.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool, error::SubmitError};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let jobs: Vec<_> = (1..=100).map(|n| threads.submit(Square(n))).collect::<Result<_, _>>()?;
    /// threads.join();
    /// assert!(jobs.iter().all(|job| job.is_done()));
    /// assert_eq!(threads.submit(Square(6)).err(), Some(SubmitError::Closed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn join(&self) {
        let _ = self.shutdown_timeout(Duration::MAX);
    }

    /// Like [`join`](Executor::join), but waits for at most `time`. Returns whether all jobs are resolved and
    /// all workers have exited; if not, the jobs continue in the background, and this method may be called
    /// again.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use std::time::Duration;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let job = threads.submit(Gate(5))?; // runs until the gate is opened
    /// assert!(!threads.shutdown_timeout(Duration::from_millis(1)));
    /// open();
    /// assert!(threads.shutdown_timeout(Duration::from_secs(60)), "two threads exit within a minute");
    /// assert_eq!(job.result()?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "it returns whether all jobs have ended"]
    fn shutdown_timeout(&self, time: Duration) -> bool;

    /// Closes the executor at once, and returns a future that waits like [`join`](Executor::join). That of
    /// [`Serial`](crate::Serial) blocks the thread that polls it while another thread runs a job.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let job = threads.submit(Square(5))?;
    /// smol::block_on(threads.shutdown());
    /// assert!(job.is_done());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn shutdown(&self) -> Shutdown<'_>
    where
        Self: Sized,
    {
        self.close();
        Shutdown::new(self)
    }

    /// Closes the executor, cancels the jobs that have not been started, and kills those that are running, if
    /// the executor can. Returns immediately; [`join`](Executor::join) waits for the end.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let one_thread = ThreadPool::new(1, ());
    /// let first = one_thread.submit(Gate(1))?; // runs until the gate is opened
    /// arrival(); // waits until it runs
    /// let second = one_thread.submit(Gate(2))?;
    /// one_thread.shutdown_now();
    /// assert!(second.is_cancelled());
    /// open(); // a worker process would be killed; a thread has to finish its job
    /// assert_eq!(first.result()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn shutdown_now(&self) {
        self.stop(Duration::ZERO);
    }

    /// Calls `body` with the executor and shuts it down afterwards, even if `body` panics. When this returns,
    /// all jobs are resolved and all workers have exited.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let job = ThreadPool::new(2, ()).scope(|threads| threads.submit(Square(5)))?;
    /// assert!(job.is_done(), "the scope waited for the job");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn scope<R>(self, body: impl FnOnce(&Self) -> R) -> R
    where
        Self: Sized,
    {
        struct ShutdownGuard<'e, J: Job>(&'e dyn Executor<J>);
        impl<J: Job> Drop for ShutdownGuard<'_, J> {
            fn drop(&mut self) {
                self.0.join();
            }
        }
        let guard = ShutdownGuard(&self);
        let result = body(&self);
        drop(guard);
        result
    }

    /// Closes the executor: it accepts no more jobs, and still runs those that were pushed. Returns
    /// immediately.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let job = threads.submit(Square(5))?;
    /// threads.close();
    /// assert!(threads.submit(Square(6)).is_err());
    /// assert_eq!(job.result()?, 25);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn close(&self);

    /// Like [`shutdown_now`](Executor::shutdown_now), but running jobs may continue for `grace` before they
    /// are killed. May be called again with a shorter grace period.
    fn stop(&self, grace: Duration);

    /// Suspends running jobs until [`resume`](Executor::resume); time limits are suspended, too. For a
    /// program that is about to be stopped itself, for example by Ctrl-Z. The default implementation does
    /// nothing, because jobs that run in the program's own process are stopped together with it.
    fn pause(&self) {}

    /// Resumes jobs that were suspended by [`pause`](Executor::pause).
    fn resume(&self) {}

    /// Returns the reports of the workers that have exited since the last call, in the order in which they
    /// exited. After a [`join`](Executor::join) all workers have exited.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// threads.submit(Square(5))?;
    /// assert!(threads.reports().is_empty());
    /// threads.join();
    /// assert_eq!(threads.reports().len(), 1, "one thread has exited");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn reports(&self) -> Vec<WorkerReport<J>>;

    #[doc = include_str!("../doc/executor/worker_stats.md")]
    fn worker_stats(&self) -> Vec<WorkerStats>;

    #[doc = include_str!("../doc/executor/parent_stats.md")]
    fn parent_stats(&self) -> ParentStats {
        ParentStats::default()
    }

    #[doc = include_str!("../doc/executor/counts.md")]
    fn counts(&self) -> Counts {
        Counts::default()
    }

    /// Returns why the executor can no longer run jobs, or `None` if it can.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, JobError, ProcessPool};
    ///
    /// let pool = ProcessPool::<Square>::builder().worker_program("/bin/false").build()?;
    /// assert!(pool.broken().is_none());
    /// let job = pool.submit(Square(3))?;
    /// // The program is not a worker; after five failed starts the pool gives up.
    /// assert!(matches!(job.result(), Err(JobError::Broken(_))));
    /// assert!(pool.broken().is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn broken(&self) -> Option<Arc<str>>;
}
