//! The seam between jobs and whatever runs them.

use std::{sync::Arc, time::Duration};

use job::{Context, Job, Outcome, WorkerFigures, WorkerId};
use wire::catch_panic;

use crate::{
    JobFuture, Refused,
    map::{Map, MapUnordered},
};

/// Something that runs jobs: [`ProcessPool`](crate::ProcessPool), [`ThreadPool`](crate::ThreadPool) or
/// [`Serial`](crate::Serial).
pub trait Executor<J: Job>: Send + Sync {
    /// A way in for jobs whose outcomes go to `sink`. There may be several at a time.
    fn inlet(&self, sink: Arc<dyn Sink<J>>) -> Box<dyn Inlet<J>>;

    /// Takes one job; its future tells of it. Never blocks on capacity, except on a [`Serial`](crate::Serial)
    /// executor, which runs it first.
    ///
    /// # Errors
    /// When the executor was closed or stopped, or is broken.
    fn submit_with(&self, job: J, options: JobOptions) -> Result<JobFuture<J>, Refused>;

    /// Takes one job without options; see [`submit_with`](Executor::submit_with).
    ///
    /// # Errors
    /// When the executor was closed or stopped, or is broken.
    fn submit(&self, job: J) -> Result<JobFuture<J>, Refused> {
        self.submit_with(job, JobOptions::default())
    }

    /// Takes jobs that travel to a worker together, in one frame, so that short ones cost little each; one after the other
    /// where there are no frames. Their futures are in the order of the jobs. Otherwise as
    /// [`submit_with`](Executor::submit_with).
    ///
    /// # Errors
    /// When the executor was closed or stopped, or is broken; then it has taken none of them, or some of them if it
    /// has no frames.
    fn submit_batch(&self, jobs: Vec<J>, options: JobOptions) -> Result<Vec<JobFuture<J>>, Refused> {
        jobs.into_iter().map(|job| self.submit_with(job, options)).collect()
    }

    /// Runs a job for each item and gives their outputs in the order of the items. Lazy: see [`Map`].
    fn map<I: IntoIterator<Item = J>>(&self, jobs: I) -> Map<'_, J, Self, I::IntoIter>
    where
        Self: Sized,
    {
        Map::new(self, jobs.into_iter())
    }

    /// Runs a job for each item and gives their outputs as they come, each with the item's place. Lazy, as
    /// [`map`](Executor::map) is.
    fn map_unordered<I: IntoIterator<Item = J>>(&self, jobs: I) -> MapUnordered<'_, J, Self, I::IntoIter>
    where
        Self: Sized,
    {
        MapUnordered::new(self.map(jobs))
    }

    /// How many jobs it can run at a time.
    fn workers(&self) -> usize;

    /// Cancels the jobs that have not been handed to a worker.
    fn cancel_waiting(&self);

    /// Takes no more jobs; with `cancel` those that have not been started are cancelled, with `wait` it returns when
    /// the others have ended and all workers are gone.
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
    fn shutdown_within(&self, time: Duration, cancel: bool) -> bool {
        self.shutdown(false, cancel);
        self.join_within(time)
    }

    /// Lends the executor to `body` and shuts it down afterwards, also if `body` panics: when this returns, all jobs
    /// are resolved and all workers are gone.
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
    fn close(&self);

    /// Takes no more jobs and starts none of those that wait: they are cancelled. Running ones may go on for
    /// `grace`, and are then cancelled too where the executor can end them. Returns at once; may be called again
    /// with a shorter time.
    fn stop(&self, grace: Duration);

    /// Waits until all jobs are resolved and all workers are gone. The executor must have been
    /// [closed](Executor::close) or [stopped](Executor::stop), else this waits for somebody to do so. One of the
    /// executor's own threads, such as one that runs a callback, does not wait.
    fn join(&self) {
        self.join_within(Duration::MAX);
    }

    /// As [`join`](Executor::join), but waits for `time` at the most, and says whether all is over.
    fn join_within(&self, time: Duration) -> bool;

    /// What the workers that have left since the last call had to say, in the order of their leaving. After a
    /// [`join`](Executor::join) all have left.
    fn reports(&self) -> Vec<WorkerReport<J>>;

    /// Counts and times of all workers so far, in the order of their start.
    fn figures(&self) -> Vec<WorkerFigures>;

    /// Why the executor cannot run jobs any more, if it cannot.
    fn broken(&self) -> Option<Arc<str>>;
}

/// A way into an executor.
///
/// Jobs gather in an inlet until a worker has room for them or there are enough for a frame. Dropping it
/// [flushes](Inlet::flush) it.
pub trait Inlet<J: Job> {
    /// Takes a job, never blocking on capacity. Its outcome will reach the sink under `tag`, exactly once, whatever
    /// happens; after [`Executor::stop`] that is a cancellation.
    fn push(&mut self, tag: u64, job: J, options: JobOptions);

    /// Hands over what has gathered; to be called before waiting for more input.
    fn flush(&mut self);
}

/// Where outcomes go.
pub trait Sink<J: Job>: Send + Sync {
    /// Takes outcomes, in any order. It is called by whichever thread has them, so it must not wait for other
    /// outcomes. A panic is caught and printed to standard error.
    fn resolve(&self, resolved: Vec<Resolved<J>>);
}

/// Hands outcomes to a sink. A sink that panics has had its outcomes, and takes nothing else down.
pub(crate) fn hand_over<J: Job>(sink: &dyn Sink<J>, resolved: Vec<Resolved<J>>) {
    if let Err(panic) = catch_panic(|| sink.resolve(resolved)) {
        eprintln!("a sink panicked: {panic}");
    }
}

/// The outcome of the job that was pushed under `tag`.
pub struct Resolved<J: Job> {
    /// What the job was pushed under.
    pub tag: u64,
    /// How it ended.
    pub outcome: Outcome<J>,
}

/// The last words of a worker that left in good order; see [`Context::finish`].
pub struct WorkerReport<J: Job> {
    /// Which worker it was.
    pub worker: WorkerId,
    /// What its state reported, or why it could not.
    pub report: Result<<J::Context as Context>::Report, Arc<str>>,
}

/// What one job asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobOptions {
    /// Its own time limit, before the pool's. Needs worker processes; elsewhere the job fails.
    pub limit: Option<Duration>,
}
