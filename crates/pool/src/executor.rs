//! The seam between jobs and whatever runs them.

use std::{sync::Arc, time::Duration};

use job::{Job, ParentStats, WorkerStats};

use crate::{
    JobFuture, JobOptions, Sink, SubmitError, Submitter, WorkerReport,
    map::{Map, MapUnordered},
};

/// Something that runs jobs: [`ProcessPool`](crate::ProcessPool), [`ThreadPool`](crate::ThreadPool) or
/// [`Serial`](crate::Serial).
///
/// It can be used as `dyn Executor`; what needs to know the executor's type, such as [`map`](Executor::map), says so by
/// `Self: Sized`.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, Serial, ThreadPool};
///
/// fn sum_of_squares(executor: &impl Executor<Square>) -> u64 {
///     executor.map((1..=3).map(Square)).into_iter().flatten().sum()
/// }
/// assert_eq!(sum_of_squares(&Serial::new(())), 14);
/// assert_eq!(sum_of_squares(&ThreadPool::new(2, ())), 14);
/// ```
pub trait Executor<J: Job>: Send + Sync {
    /// A way in for jobs whose outcomes go to `sink`. There may be several at a time. Jobs that are
    /// pushed when the executor is closed, or dropped, are cancelled.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::*;
    /// use std::sync::Arc;
    /// use pool::{Executor, JobOptions, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let sink = Arc::new(Collected::default()); // keeps each tag and output
    /// let mut submitter = threads.submitter(sink.clone());
    /// (1..=3).for_each(|n| submitter.push(n, Square(n), JobOptions::default()));
    /// drop(submitter);
    /// threads.shutdown(true, false);
    /// let mut squares = sink.0.lock().unwrap();
    /// squares.sort();
    /// assert_eq!(*squares, [(1, Some(1)), (2, Some(4)), (3, Some(9))]);
    /// ```
    fn submitter(&self, sink: Arc<dyn Sink<J>>) -> Box<dyn Submitter<J>>;

    /// Takes one job; its future tells of it. Never blocks on capacity, except on a [`Serial`](crate::Serial)
    /// executor, which runs it first. A job that cannot be encoded is taken, and has failed.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::{Executor, JobError, JobOptions, ResultError, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let limited = JobOptions { time_limit: Some(Duration::from_secs(1)) };
    /// let job = threads.submit_with(Square(3), limited)?;
    /// // Only worker processes can be ended when their time is over, so here the job has failed.
    /// assert!(matches!(job.result(None), Err(ResultError::Failed(JobError::Unsupported(_)))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SubmitError::Closed`] when the executor was closed or stopped, [`SubmitError::Broken`] when it is broken.
    fn submit_with(&self, job: J, options: JobOptions) -> Result<JobFuture<J>, SubmitError>;

    /// Takes one job without options; see [`submit_with`](Executor::submit_with).
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let (three, four) = (threads.submit(Square(3))?, threads.submit(Square(4))?);
    /// assert_eq!(three.result(None)? + four.result(None)?, 25);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SubmitError::Closed`] when the executor was closed or stopped, [`SubmitError::Broken`] when it is broken.
    fn submit(&self, job: J) -> Result<JobFuture<J>, SubmitError> {
        self.submit_with(job, JobOptions::default())
    }

    /// Takes jobs that travel to a worker together, in one batch, so that short ones cost little each; one after the other
    /// where there are no batches. Their futures are in the order of the jobs. Otherwise as
    /// [`submit_with`](Executor::submit_with).
    ///
    /// # Errors
    /// When the executor was closed or stopped, or is broken; then it has taken none of them, or some of them if it
    /// has no batches.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, JobOptions, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let futures = threads.submit_many(vec![Square(2), Square(3)], JobOptions::default())?;
    /// assert_eq!((futures[0].result(None)?, futures[1].result(None)?), (4, 9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn submit_many(&self, jobs: Vec<J>, options: JobOptions) -> Result<Vec<JobFuture<J>>, SubmitError> {
        jobs.into_iter().map(|job| self.submit_with(job, options)).collect()
    }

    /// Runs a job for each item and gives their outputs in the order of the items. Lazy: see [`Map`].
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let squares: Result<Vec<u64>, _> = threads.map([3, 1, 2].map(Square)).into_iter().collect();
    /// assert_eq!(squares?, [9, 1, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn map<I: IntoIterator<Item = J>>(&self, jobs: I) -> Map<'_, J, Self, I::IntoIter>
    where
        Self: Sized,
    {
        Map::new(self, jobs.into_iter())
    }

    /// Runs a job for each item and gives their outputs as they come, each with the item's place. Lazy, as
    /// [`map`](Executor::map) is.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let mut squares: Vec<(usize, u64)> =
    ///     threads.map_unordered([3, 1, 2].map(Square)).into_iter().flatten().collect();
    /// squares.sort();
    /// assert_eq!(squares, [(0, 9), (1, 1), (2, 4)]);
    /// ```
    fn map_unordered<I: IntoIterator<Item = J>>(&self, jobs: I) -> MapUnordered<'_, J, Self, I::IntoIter>
    where
        Self: Sized,
    {
        MapUnordered::new(self.map(jobs))
    }

    /// How many jobs it can run at a time.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, Serial, ThreadPool};
    ///
    /// assert_eq!(Serial::<Square>::new(()).workers(), 1);
    /// assert_eq!(ThreadPool::<Square>::new(4, ()).workers(), 4);
    /// ```
    fn workers(&self) -> usize;

    /// Cancels the jobs that have not been handed to a worker. The executor goes on and takes others.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let one_thread = ThreadPool::new(1, ());
    /// let first = one_thread.submit(Gate(1))?; // runs until the gate is opened
    /// arrival(); // now it does
    /// let second = one_thread.submit(Gate(2))?;
    /// one_thread.cancel_waiting();
    /// assert!(second.cancelled() && !first.done());
    /// open();
    /// assert_eq!(first.result(None)?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn cancel_waiting(&self);

    /// Takes no more jobs; with `cancel` those that have not been started are cancelled, with `wait` it returns when
    /// the others have ended and all workers are gone.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, SubmitError, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let job = threads.submit(Square(5))?;
    /// threads.shutdown(true, false);
    /// assert!(job.done());
    /// assert_eq!(threads.submit(Square(6)).err(), Some(SubmitError::Closed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn shutdown(&self, wait: bool, cancel: bool) {
        self.close();
        if cancel {
            self.cancel_waiting();
        }
        if wait {
            self.join();
        }
    }

    /// As a waiting [`shutdown`](Executor::shutdown), but waits for `time` at the most, and says whether all is over.
    /// If not, it goes on in the background, and this may be called again.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let job = threads.submit(Square(5))?;
    /// assert!(threads.shutdown_timeout(Duration::from_secs(60), false), "that is time enough");
    /// assert_eq!(job.result(None)?, 25);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn shutdown_timeout(&self, time: Duration, cancel: bool) -> bool {
        self.shutdown(false, cancel);
        self.join_timeout(time)
    }

    /// Lends the executor to `body` and shuts it down afterwards, also if `body` panics: when this returns, all jobs
    /// are resolved and all workers are gone.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let job = ThreadPool::new(2, ()).scope(|threads| threads.submit(Square(5)))?;
    /// assert!(job.done(), "the scope waited for it");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn scope<R>(self, body: impl FnOnce(&Self) -> R) -> R
    where
        Self: Sized,
    {
        struct Leave<'e, J: Job>(&'e dyn Executor<J>);
        impl<J: Job> Drop for Leave<'_, J> {
            fn drop(&mut self) {
                self.0.shutdown(true, false);
            }
        }
        let leave = Leave(&self);
        let result = body(&self);
        drop(leave);
        result
    }

    /// Takes no more jobs; those that were pushed are still run. Returns at once.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let job = threads.submit(Square(5))?;
    /// threads.close();
    /// assert!(threads.submit(Square(6)).is_err());
    /// assert_eq!(job.result(None)?, 25);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn close(&self);

    /// Takes no more jobs and starts none of those that wait: they are cancelled. Running ones may go on for
    /// `grace`, and are then cancelled too where the executor can end them. Returns at once; may be called again
    /// with a shorter time.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use std::time::Duration;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let one_thread = ThreadPool::new(1, ());
    /// let first = one_thread.submit(Gate(1))?; // runs until the gate is opened
    /// arrival(); // now it does
    /// let second = one_thread.submit(Gate(2))?;
    /// one_thread.stop(Duration::ZERO);
    /// assert!(second.cancelled());
    /// open(); // a worker process would have been killed, a thread has to be let through
    /// assert_eq!(first.result(None)?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn stop(&self, grace: Duration);

    /// Stops running jobs where they stand, until [`resume`](Executor::resume); time limits stand still meanwhile. For a
    /// program that is about to be stopped itself, as by Ctrl-Z; does nothing where jobs run in the program's own
    /// process, which then stops with it.
    fn pause(&self) {}

    /// Lets paused jobs go on.
    fn resume(&self) {}

    /// Waits until all jobs are resolved and all workers are gone. The executor must have been
    /// [closed](Executor::close) or [stopped](Executor::stop), else this waits for somebody to do so. One of the
    /// executor's own threads, such as one that runs a callback, does not wait.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let jobs: Vec<_> = (1..=100).map(|n| threads.submit(Square(n))).collect::<Result<_, _>>()?;
    /// threads.close();
    /// threads.join();
    /// assert!(jobs.iter().all(|job| job.done()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn join(&self) {
        self.join_timeout(Duration::MAX);
    }

    /// As [`join`](Executor::join), but waits for `time` at the most, and says whether all is over.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// threads.submit(Square(5))?;
    /// assert!(!threads.join_timeout(Duration::from_millis(1)), "it may still get jobs");
    /// threads.close();
    /// assert!(threads.join_timeout(Duration::from_secs(60)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn join_timeout(&self, time: Duration) -> bool;

    /// What the workers that have left since the last call had to say, in the order of their leaving. After a
    /// [`join`](Executor::join) all have left.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// threads.submit(Square(5))?;
    /// assert!(threads.reports().is_empty());
    /// threads.shutdown(true, false);
    /// assert_eq!(threads.reports().len(), 1, "one thread has left");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn reports(&self) -> Vec<WorkerReport<J>>;

    /// Counts and times of all workers so far, in the order of their start.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let squares: u64 = threads.map((1..=100).map(Square)).into_iter().flatten().sum();
    /// threads.shutdown(true, false); // before that, the last jobs may not have been counted yet
    /// assert_eq!(squares, 338_350);
    /// assert_eq!(threads.worker_stats().iter().map(|worker| worker.jobs).sum::<u64>(), 100);
    /// ```
    fn worker_stats(&self) -> Vec<WorkerStats>;

    /// Where the time of this process went that the executor took; nothing from executors that do not count it, which are
    /// all but [`ProcessPool`](crate::ProcessPool).
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool, Stage};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let pool = ProcessPool::<Square>::builder().workers(1).build()?;
    ///     pool.submit(Square(7))?.result(None)?;
    ///     pool.shutdown(true, false);
    ///     for thread in pool.parent_stats().lanes {
    ///         println!("{} waited {:?} of {:?}", thread.name, thread.stage_times[Stage::Wait], thread.life);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    fn parent_stats(&self) -> ParentStats {
        ParentStats::default()
    }

    /// Why the executor cannot run jobs any more, if it cannot.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, JobError, ResultError, ProcessPool};
    ///
    /// let pool = ProcessPool::<Square>::builder().worker_program("/bin/false").build()?;
    /// assert!(pool.broken().is_none());
    /// let job = pool.submit(Square(3))?;
    /// // The program is no worker; after five starts in vain the pool gives up.
    /// assert!(matches!(job.result(None), Err(ResultError::Failed(JobError::Abandoned(_)))));
    /// assert!(pool.broken().is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn broken(&self) -> Option<Arc<str>>;
}
