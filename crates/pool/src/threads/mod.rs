//! Jobs on threads of this process: cheap, and isolating nothing.
//!
//! | file | concern |
//! |---|---|
//! | `submitter` | gathering jobs in chunks |
//! | `queue` | queued chunks and the targets of their outcomes |
//! | `sizing` | sizes of claims and chunks |
//! | `state` | the state under the lock; when threads are woken |
//! | `hints` | flags that are read without the lock |
//! | `shared` | changes of the state and their consequences |
//! | `work` | the loop of a thread |
//!
//! One lock guards the state. It is taken once to queue a chunk and once to claim one, each time for well
//! under a microsecond. At the usual size of a claim, 64 threads take it every three microseconds. No lock of
//! the pool is taken to push, run or resolve a single job of an submitter.

mod hints;
mod queue;
mod shared;
mod sizing;
mod state;
mod submitter;
#[cfg(test)]
mod tests;
mod work;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use job::{Context, Job, JobError, WorkerStats};

use self::{
    shared::{Controller, Shared},
    submitter::ThreadSubmitter,
};
use crate::{
    Executor, JobFuture, JobOptions, Sink, SubmitError, Submitter, WorkerReport,
    future::{Control, deadline_after},
};

/// Runs jobs on threads, which are started on demand.
///
/// A panic is caught; a crash takes the program with it, and a running job cannot be ended. Dropping the pool
/// closes it: jobs that were pushed are still run, as long as the program lasts.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ThreadPool, available_cores};
///
/// let threads = ThreadPool::new(available_cores(), ());
/// let sum: u64 = threads.map((0..1000).map(Square)).into_iter().flatten().sum();
/// assert_eq!(sum, 332_833_500);
/// ```
pub struct ThreadPool<J: Job> {
    shared: Arc<Shared<J>>,
    /// The interface of `shared` for futures.
    control: Arc<dyn Control>,
}

impl<J: Job> ThreadPool<J> {
    /// A pool of up to `workers` threads, at least one; each runs its jobs in a state of its own, made of
    /// `args`. If a state cannot be made, the pool is [broken](Executor::broken).
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::<Square>::new(3, ());
    /// assert_eq!(threads.workers(), 3);
    /// assert!(threads.worker_stats().is_empty(), "none is started before the first job");
    /// ```
    #[must_use]
    pub fn new(workers: usize, args: <J::Context as Context>::Args) -> ThreadPool<J> {
        let shared = Shared::new(workers.max(1), args);
        let control = Arc::new(Controller(shared.clone()));
        ThreadPool { shared, control }
    }
}

impl<J: Job> Executor<J> for ThreadPool<J> {
    fn submitter(&self, sink: Arc<dyn Sink<J>>) -> Box<dyn Submitter<J>> {
        Box::new(ThreadSubmitter::new(self.shared.clone(), sink))
    }

    fn submit_with(&self, job: J, options: JobOptions) -> Result<JobFuture<J>, SubmitError> {
        Shared::submit(&self.shared, &self.control, job, options).map(JobFuture::new)
    }

    fn workers(&self) -> usize {
        self.shared.max_threads
    }

    fn cancel_waiting(&self) {
        let waiting = Shared::change(&self.shared, |state| state.queue.take_all());
        waiting.into_iter().for_each(|chunk| chunk.fail(|| JobError::Cancelled));
    }

    fn close(&self) {
        Shared::close(&self.shared, false);
    }

    fn stop(&self, _: Duration) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        Shared::close(&self.shared, true);
    }

    fn join_timeout(&self, time: Duration) -> bool {
        self.shared.crew.join(deadline_after(time))
    }

    fn reports(&self) -> Vec<WorkerReport<J>> {
        self.shared.look(|state| std::mem::take(&mut state.reports))
    }

    fn worker_stats(&self) -> Vec<WorkerStats> {
        self.shared.look(|state| state.figures.clone())
    }

    fn broken(&self) -> Option<Arc<str>> {
        self.shared.look(|state| state.broken.clone())
    }
}

impl<J: Job> Drop for ThreadPool<J> {
    fn drop(&mut self) {
        self.close();
    }
}
