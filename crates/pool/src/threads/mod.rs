//! A pool of threads of this process: low overhead, no isolation.
//!
//! | file | concern |
//! |---|---|
//! | `builder` | settings of a pool |
//! | `submit` | jobs with a future each, and the bound on queued jobs |
//! | `submitter` | buffering jobs in chunks |
//! | `priorities`, `queue` | queued chunks and the targets of their outcomes |
//! | `sizing` | sizes of claims and chunks |
//! | `state` | the state under the lock; when threads are woken |
//! | `hints` | flags that are read without the lock |
//! | `shared` | changes of the state and their consequences |
//! | `work` | main loop of a thread |
//!
//! One lock guards the state. It is taken once to queue a chunk and once to claim one, each time for well
//! under a microsecond. At the usual size of a claim, 64 threads take it every three microseconds. Pushing,
//! running and resolving a single job of a submitter takes no lock of the pool.

mod builder;
mod hints;
mod priorities;
mod queue;
mod shared;
mod sizing;
mod state;
mod submit;
mod submitter;
#[cfg(test)]
mod tests;
mod work;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    task::{self, Poll},
    time::Duration,
};

use job::{Context, Job, JobError, WorkerStats};

pub use self::builder::ThreadPoolBuilder;
use self::{
    shared::{ThreadController, ThreadShared},
    submitter::ThreadSubmitter,
};
use crate::{
    Executor, JobFuture, JobOptions, Sink, SubmitAsync, SubmitError, Submitter, TrySubmitError, WorkerReport,
    counts::Counts,
    future::{Control, deadline_after},
    pressure::Limits,
    sealed::Sealed,
};

/// An executor that runs jobs on threads, which are started on demand.
///
/// A panic is caught; a crash ends the program, and a running job cannot be killed. Dropping the pool closes
/// it and returns at once; its jobs continue in the background. Those that have not ended when `main` returns
/// are lost: [`join`](Executor::join) waits for them.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ThreadPool, settings::available_cores};
///
/// let threads = ThreadPool::new(available_cores(), ());
/// let sum: u64 = threads.map((0..1000).map(Square)).filter_map(Result::ok).sum();
/// assert_eq!(sum, 332_833_500);
/// ```
pub struct ThreadPool<J: Job> {
    shared: Arc<ThreadShared<J>>,
    /// Interface of `shared` for futures.
    control: Arc<dyn Control>,
}

impl<J: Job> ThreadPool<J> {
    /// Creates a pool of up to `workers` threads, at least one. Each thread runs its jobs in a context of its
    /// own, which is created from `args`. If a context cannot be created, the pool is
    /// [broken](Executor::broken).
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::<Square>::new(3, ());
    /// assert_eq!(threads.workers(), 3);
    /// assert!(threads.worker_stats().is_empty(), "no thread is started before the first job");
    /// ```
    #[must_use]
    pub fn new(workers: usize, args: <J::Context as Context>::Args) -> ThreadPool<J> {
        ThreadPool::builder_with(args).workers(workers).build()
    }

    fn with_limits(
        workers: usize,
        args: <J::Context as Context>::Args,
        queue_limits: Limits,
    ) -> ThreadPool<J> {
        let shared = ThreadShared::new(workers.max(1), args, queue_limits, work::serve);
        let control = Arc::new(ThreadController(shared.clone()));
        ThreadPool { shared, control }
    }
}

impl<J: Job> fmt::Debug for ThreadPool<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPool").field("workers", &self.workers()).finish_non_exhaustive()
    }
}

impl<J: Job> Sealed for ThreadPool<J> {
    fn poll_end(&self, context: &mut task::Context<'_>) -> Poll<()> {
        self.shared.threads.poll_end(context)
    }
}

impl<J: Job> Executor<J> for ThreadPool<J> {
    fn submitter(&self, sink: Arc<dyn Sink<J>>) -> Box<dyn Submitter<J>> {
        Box::new(ThreadSubmitter::new(self.shared.clone(), sink))
    }

    fn submit_with(&self, job: J, options: JobOptions) -> Result<JobFuture<J>, SubmitError> {
        submit::submit(&self.shared, &self.control, job, options)
    }

    fn try_submit_with(&self, job: J, options: JobOptions) -> Result<JobFuture<J>, TrySubmitError<J>> {
        submit::try_submit(&self.shared, &self.control, job, options)
    }

    fn submit_async_with(&self, job: J, options: JobOptions) -> SubmitAsync<'_, J> {
        submit::submit_async(&self.shared, &self.control, job, options)
    }

    fn workers(&self) -> usize {
        self.shared.max_threads
    }

    fn cancel_waiting(&self) {
        let waiting = ThreadShared::change(&self.shared, |state| state.queue.take_all());
        waiting.into_iter().for_each(|chunk| self.shared.fail(chunk, || JobError::Cancelled));
    }

    fn close(&self) {
        ThreadShared::close(&self.shared, false);
    }

    fn stop(&self, _: Duration) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        ThreadShared::close(&self.shared, true);
    }

    fn shutdown_timeout(&self, time: Duration) -> bool {
        self.close();
        self.shared.threads.join(deadline_after(time))
    }

    fn reports(&self) -> Vec<WorkerReport<J>> {
        self.shared.with_state(|state| std::mem::take(&mut state.reports))
    }

    fn worker_stats(&self) -> Vec<WorkerStats> {
        self.shared.with_state(|state| state.stats.clone())
    }

    fn counts(&self) -> Counts {
        self.shared.counts()
    }

    fn broken(&self) -> Option<Arc<str>> {
        self.shared.with_state(|state| state.broken.clone())
    }
}

impl<J: Job> Drop for ThreadPool<J> {
    fn drop(&mut self) {
        self.close();
    }
}
