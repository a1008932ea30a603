//! Functions that wait for several jobs, which may belong to different executors.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use job::Job;

use super::{
    JobFuture,
    kind::OutcomeKind,
    watch::{WatchQueue, deadline_after},
};

/// Condition on which [`wait`] returns.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ThreadPool, future::{ReturnWhen, wait}};
///
/// let threads = ThreadPool::new(1, ());
/// let jobs = [2, u64::MAX, 3].map(|n| threads.submit(Square(n))).into_iter().flatten();
/// let waited = wait(jobs, None, ReturnWhen::FirstException);
/// assert!(waited.done.iter().any(|job| job.result().is_err()), "one of the jobs has overflowed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnWhen {
    /// As soon as any job has an outcome.
    FirstCompleted,
    /// As soon as any job has failed, or all have an outcome. Cancelled jobs do not count as failed.
    FirstException,
    /// When all jobs have an outcome.
    AllCompleted,
}

/// Result of [`wait`]: the jobs by state, each group in the order of the arguments.
///
/// ```
/// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
/// use std::time::Duration;
/// use pool::{Executor, ThreadPool, future::{ReturnWhen, WaitResult, wait}};
///
/// let job = ThreadPool::new(1, ()).submit(Gate(1))?; // runs until the gate is opened
/// let WaitResult { done, not_done } = wait([job], Duration::from_millis(1), ReturnWhen::AllCompleted);
/// assert_eq!((done.len(), not_done.len()), (0, 1));
/// open();
/// assert_eq!(wait(not_done, None, ReturnWhen::AllCompleted).done.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct WaitResult<J: Job> {
    /// Jobs with an outcome, including cancelled ones.
    pub done: Vec<JobFuture<J>>,
    /// Jobs without an outcome.
    pub not_done: Vec<JobFuture<J>>,
}

/// Waits for jobs until the condition `until` holds or the timeout expires, which is not an error; `None`
/// waits forever. A job that is passed twice counts once.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use std::time::Duration;
/// use pool::{Executor, ThreadPool, future::{ReturnWhen, wait}};
///
/// let threads = ThreadPool::new(2, ());
/// let jobs: Vec<_> = (1..=3).map(|n| threads.submit(Square(n))).collect::<Result<_, _>>()?;
/// let waited = wait(jobs, Duration::from_secs(60), ReturnWhen::AllCompleted);
/// let squares: Vec<u64> = waited.done.iter().flat_map(|job| job.result()).collect();
/// assert_eq!(squares, [1, 4, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait<J: Job>(
    jobs: impl IntoIterator<Item = JobFuture<J>>,
    timeout: impl Into<Option<Duration>>,
    until: ReturnWhen,
) -> WaitResult<J> {
    let deadline = timeout.into().and_then(deadline_after);
    let mut watched = WatchedJobs::new(jobs);
    let satisfies = |kind: OutcomeKind| match until {
        ReturnWhen::FirstCompleted => true,
        ReturnWhen::FirstException => kind == OutcomeKind::Failed,
        ReturnWhen::AllCompleted => false,
    };
    let mut finished = watched.done.iter().any(|(_, kind)| satisfies(*kind));
    while !finished && !watched.pending.is_empty() {
        match watched.watch.next(deadline) {
            Some((slot, kind)) => {
                watched.finish(slot, kind);
                finished = satisfies(kind);
            }
            None => finished = true,
        }
    }
    // Jobs that have ended in the meantime count as done, too.
    while let Some((slot, kind)) = watched.watch.next(Some(Instant::now())) {
        watched.finish(slot, kind);
    }
    let done: HashSet<usize> = watched.done.iter().map(|(job, _)| job.slot().address()).collect();
    let is_done = |job: &JobFuture<J>| done.contains(&job.slot().address());
    let (done, not_done) = watched.order.iter().cloned().partition(is_done);
    WaitResult { done, not_done }
}

/// Returns an iterator over jobs in the order in which they get outcomes, starting with those that have one.
/// A job that is passed twice is yielded once. The timeout is for the whole iteration, counted from this
/// call; `None` waits forever.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use std::time::Duration;
/// use pool::{Executor, ThreadPool, future::as_completed};
///
/// let threads = ThreadPool::new(2, ());
/// let jobs: Vec<_> = (1..=3).map(|n| threads.submit(Square(n))).collect::<Result<_, _>>()?;
/// let mut sum = 0;
/// for job in as_completed(jobs, Duration::from_secs(60)) {
///     sum += job?.result()?;
/// }
/// assert_eq!(sum, 14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn as_completed<J: Job>(
    jobs: impl IntoIterator<Item = JobFuture<J>>,
    timeout: impl Into<Option<Duration>>,
) -> AsCompleted<J> {
    let deadline = timeout.into().and_then(deadline_after);
    let mut watched = WatchedJobs::new(jobs);
    watched.order.clear();
    let total = watched.pending.len() + watched.done.len();
    AsCompleted { watched, deadline, total }
}

/// Iterator returned by [`as_completed`]. Blocks until the next job has an outcome. If the timeout expires
/// first, it yields one [`Unfinished`] and ends.
///
/// ```
/// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
/// use std::time::Duration;
/// use pool::{Executor, ThreadPool, future::as_completed};
///
/// let job = ThreadPool::new(1, ()).submit(Gate(1))?; // runs until the gate is opened
/// let mut completed = as_completed([job.clone()], Duration::ZERO);
/// assert!(completed.next().is_some_and(|job| job.is_err()) && completed.next().is_none());
/// open();
/// assert_eq!(as_completed([job], None).count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AsCompleted<J: Job> {
    watched: WatchedJobs<J>,
    deadline: Option<Instant>,
    total: usize,
}

impl<J: Job> fmt::Debug for AsCompleted<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("total", &self.total).finish_non_exhaustive()
    }
}

/// Error: the timeout expired before all jobs had an outcome.
///
/// ```
/// use pool::future::Unfinished;
///
/// let unfinished = Unfinished { unfinished: 2, total: 5 };
/// assert_eq!(unfinished.to_string(), "2 (of 5) jobs unfinished");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{unfinished} (of {total}) jobs unfinished")]
pub struct Unfinished {
    /// Number of distinct jobs without an outcome.
    pub unfinished: usize,
    /// Number of distinct jobs.
    pub total: usize,
}

impl<J: Job> Iterator for AsCompleted<J> {
    type Item = Result<JobFuture<J>, Unfinished>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((job, _)) = self.watched.done.pop_front() {
            return Some(Ok(job));
        }
        if self.watched.pending.is_empty() {
            return None;
        }
        match self.watched.watch.next(self.deadline) {
            Some((slot, kind)) => {
                self.watched.finish(slot, kind);
                self.next()
            }
            None => {
                let unfinished = self.watched.pending.len();
                self.watched.unwatch_pending();
                Some(Err(Unfinished { unfinished, total: self.total }))
            }
        }
    }
}

/// Distinct jobs, and a queue that receives those without an outcome when they get one.
struct WatchedJobs<J: Job> {
    watch: Arc<WatchQueue>,
    pending: HashMap<usize, JobFuture<J>>,
    done: VecDeque<(JobFuture<J>, OutcomeKind)>,
    /// All jobs, in the order of the arguments.
    order: Vec<JobFuture<J>>,
}

impl<J: Job> WatchedJobs<J> {
    fn new(jobs: impl IntoIterator<Item = JobFuture<J>>) -> WatchedJobs<J> {
        let mut known = HashSet::new();
        let order: Vec<JobFuture<J>> =
            jobs.into_iter().filter(|job| known.insert(job.slot().address())).collect();
        let mut watched =
            WatchedJobs { watch: Arc::default(), pending: HashMap::new(), done: VecDeque::new(), order };
        for job in &watched.order {
            // Under the slot's lock, the job either has an outcome or is registered: none is missed in
            // between.
            match job.slot().add_watch(&watched.watch) {
                Some(kind) => watched.done.push_back((job.clone(), kind)),
                None => drop(watched.pending.insert(job.slot().address(), job.clone())),
            }
        }
        watched
    }

    fn finish(&mut self, slot: usize, kind: OutcomeKind) {
        if let Some(job) = self.pending.remove(&slot) {
            self.done.push_back((job, kind));
        }
    }

    fn unwatch_pending(&mut self) {
        for job in std::mem::take(&mut self.pending).into_values() {
            job.slot().remove_watch(&self.watch);
        }
    }
}

impl<J: Job> Drop for WatchedJobs<J> {
    fn drop(&mut self) {
        self.unwatch_pending();
    }
}
