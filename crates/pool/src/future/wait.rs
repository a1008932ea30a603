//! Waiting for many jobs, which may belong to different executors.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use job::Job;

use super::{
    JobFuture,
    kind::Kind,
    watch::{Watch, deadline_after},
};

/// When [`wait`] returns.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ReturnWhen, ThreadPool, wait};
///
/// let threads = ThreadPool::new(1, ());
/// let jobs = [2, u64::MAX, 3].map(|n| threads.submit(Square(n))).into_iter().flatten();
/// let waited = wait(jobs, None, ReturnWhen::FirstException);
/// assert!(waited.done.iter().any(|job| job.result(None).is_err()), "an overflow has ended the waiting");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnWhen {
    /// As soon as any job has an outcome.
    FirstCompleted,
    /// As soon as any job has failed; cancelled ones do not count. At the latest when all have an outcome.
    FirstException,
    /// When all jobs have an outcome.
    AllCompleted,
}

/// What [`wait`] found, in the order of its arguments.
///
/// ```
/// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
/// use std::time::Duration;
/// use pool::{Executor, ReturnWhen, ThreadPool, WaitResult, wait};
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
    /// Jobs with an outcome; a cancelled job has one.
    pub done: Vec<JobFuture<J>>,
    /// Jobs without.
    pub not_done: Vec<JobFuture<J>>,
}

/// Waits for jobs; a job that is given twice counts once. When the time is over it returns what there is: that is
/// no error. `None` waits for ever.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use std::time::Duration;
/// use pool::{Executor, ReturnWhen, ThreadPool, wait};
///
/// let threads = ThreadPool::new(2, ());
/// let jobs: Vec<_> = (1..=3).map(|n| threads.submit(Square(n))).collect::<Result<_, _>>()?;
/// let waited = wait(jobs, Duration::from_secs(60), ReturnWhen::AllCompleted);
/// let squares: Vec<u64> = waited.done.iter().flat_map(|job| job.result(None)).collect();
/// assert_eq!(squares, [1, 4, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait<J: Job>(
    jobs: impl IntoIterator<Item = JobFuture<J>>,
    timeout: impl Into<Option<Duration>>,
    until: ReturnWhen,
) -> WaitResult<J> {
    let deadline = timeout.into().and_then(deadline_after);
    let mut watched = Watched::new(jobs);
    let ends = |kind: Kind| match until {
        ReturnWhen::FirstCompleted => true,
        ReturnWhen::FirstException => kind == Kind::Failed,
        ReturnWhen::AllCompleted => false,
    };
    let mut over = watched.done.iter().any(|(_, kind)| ends(*kind));
    while !over && !watched.pending.is_empty() {
        match watched.watch.next(deadline) {
            Some((slot, kind)) => {
                watched.finish(slot, kind);
                over = ends(kind);
            }
            None => over = true,
        }
    }
    // What finished in the same moment is done too.
    while let Some((slot, kind)) = watched.watch.next(Some(Instant::now())) {
        watched.finish(slot, kind);
    }
    let finished: HashSet<usize> = watched.done.iter().map(|(job, _)| job.slot().address()).collect();
    let is_done = |job: &JobFuture<J>| finished.contains(&job.slot().address());
    let (done, not_done) = watched.order.iter().cloned().partition(is_done);
    WaitResult { done, not_done }
}

/// Gives the jobs one by one as they get outcomes, those that have one first. A job that is given twice comes once.
/// The time is an overall deadline, counted from this call; `None` waits for ever.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use std::time::Duration;
/// use pool::{Executor, ThreadPool, as_completed};
///
/// let threads = ThreadPool::new(2, ());
/// let jobs: Vec<_> = (1..=3).map(|n| threads.submit(Square(n))).collect::<Result<_, _>>()?;
/// let mut sum = 0;
/// for job in as_completed(jobs, Duration::from_secs(60)) {
///     sum += job?.result(None)?;
/// }
/// assert_eq!(sum, 14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn as_completed<J: Job>(
    jobs: impl IntoIterator<Item = JobFuture<J>>,
    timeout: impl Into<Option<Duration>>,
) -> AsCompleted<J> {
    let deadline = timeout.into().and_then(deadline_after);
    let mut watched = Watched::new(jobs);
    watched.order.clear();
    let total = watched.pending.len() + watched.done.len();
    AsCompleted { watched, deadline, total }
}

/// The iterator of [`as_completed`]. It blocks until the next job has its outcome. When the time is over before, it
/// gives one [`Unfinished`] and has ended.
///
/// ```
/// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
/// use std::time::Duration;
/// use pool::{Executor, ThreadPool, as_completed};
///
/// let job = ThreadPool::new(1, ()).submit(Gate(1))?; // runs until the gate is opened
/// let mut completed = as_completed([job.clone()], Duration::ZERO);
/// assert!(completed.next().is_some_and(|job| job.is_err()) && completed.next().is_none());
/// open();
/// assert_eq!(as_completed([job], None).count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AsCompleted<J: Job> {
    watched: Watched<J>,
    deadline: Option<Instant>,
    total: usize,
}

/// The time was over before all jobs had an outcome.
///
/// ```
/// use pool::Unfinished;
///
/// let unfinished = Unfinished { unfinished: 2, total: 5 };
/// assert_eq!(unfinished.to_string(), "2 (of 5) jobs unfinished");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{unfinished} (of {total}) jobs unfinished")]
pub struct Unfinished {
    /// How many different jobs have no outcome.
    pub unfinished: usize,
    /// How many different jobs there are.
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
                self.watched.forget();
                Some(Err(Unfinished { unfinished, total: self.total }))
            }
        }
    }
}

/// Different jobs, and a watch on those without an outcome.
struct Watched<J: Job> {
    watch: Arc<Watch>,
    pending: HashMap<usize, JobFuture<J>>,
    done: VecDeque<(JobFuture<J>, Kind)>,
    /// All of them, in the order in which they were given.
    order: Vec<JobFuture<J>>,
}

impl<J: Job> Watched<J> {
    fn new(jobs: impl IntoIterator<Item = JobFuture<J>>) -> Watched<J> {
        let mut known = HashSet::new();
        let order: Vec<JobFuture<J>> =
            jobs.into_iter().filter(|job| known.insert(job.slot().address())).collect();
        let mut watched =
            Watched { watch: Arc::default(), pending: HashMap::new(), done: VecDeque::new(), order };
        for job in &watched.order {
            // Either it has an outcome now, or the watch will be told: nothing is lost in between.
            match job.slot().watch(&watched.watch) {
                Some(kind) => watched.done.push_back((job.clone(), kind)),
                None => drop(watched.pending.insert(job.slot().address(), job.clone())),
            }
        }
        watched
    }

    fn finish(&mut self, slot: usize, kind: Kind) {
        if let Some(job) = self.pending.remove(&slot) {
            self.done.push_back((job, kind));
        }
    }

    fn forget(&mut self) {
        for job in std::mem::take(&mut self.pending).into_values() {
            job.slot().unwatch(&self.watch);
        }
    }
}

impl<J: Job> Drop for Watched<J> {
    fn drop(&mut self) {
        self.forget();
    }
}
