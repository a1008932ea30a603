//! What the workers of a pool are doing at one moment.

use std::time::Duration;

use job::{Job, JobRange, MonotonicInstant, WorkerId};
use sys::{clock, process::Process};

use super::{handle::Handle, pool::ProcessPool, shared::PoolState};

/// State of a worker of a [`ProcessPool`] at one moment; see [`ProcessPool::worker_states`].
///
/// ```
/// use pool::metrics::WorkerState;
///
/// fn is_idle(worker: &WorkerState) -> bool {
///     worker.is_ready && worker.assigned == 0
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerState {
    /// The worker.
    pub worker: WorkerId,
    /// Process ID, once the process was started.
    pub pid: Option<u32>,
    /// Whether it has started and created its context.
    pub is_ready: bool,
    /// Number of jobs that are assigned to it and have no outcome yet, including the running one.
    pub assigned: u64,
    /// The job that it is running, if any.
    pub running: Option<RunningJob>,
}

/// A job that a worker is running; see [`WorkerState`].
///
/// ```
/// use std::time::Duration;
/// use pool::metrics::RunningJob;
///
/// fn is_slow(job: &RunningJob) -> bool {
///     job.elapsed > Duration::from_secs(60)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunningJob {
    /// The job, as in [`PoolEvent::BatchSent`](crate::metrics::PoolEvent::BatchSent): its tag, its index in
    /// the map, or its id.
    pub number: u64,
    /// Time since the job started. Without a limit on the job's time or memory, start times are not measured,
    /// and this is the time since its batch started, which includes the jobs of the batch before it.
    pub elapsed: Duration,
}

impl<J: Job> ProcessPool<J> {
    /// Returns the current workers and what they are doing, in the order of their ids. Takes the lock of the
    /// pool, and reads memory only.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let pool = ProcessPool::builder().workers(1).build()?;
    ///     assert_eq!(pool.submit(Square(7))?.result()?, 49);
    ///     let workers = pool.worker_states();
    ///     assert!(workers[0].is_ready && workers[0].pid.is_some());
    ///     assert_eq!((workers[0].assigned, workers[0].running), (0, None));
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn worker_states(&self) -> Vec<WorkerState> {
        let state = self.shared.state.lock();
        let now = clock::now();
        let mut workers: Vec<WorkerState> =
            state.workers.values().map(|handle| state.worker_state(handle, now)).collect();
        drop(state);
        workers.sort_unstable_by_key(|worker| worker.worker);
        workers
    }

    /// Returns the resident size, in bytes, of each worker together with its child processes, in the order of
    /// their ids. Reads files in `/proc`.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let pool = ProcessPool::builder().workers(1).build()?;
    ///     assert_eq!(pool.submit(Square(7))?.result()?, 49);
    ///     assert!(pool.resident_sizes()[0].1 > 100_000);
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn resident_sizes(&self) -> Vec<(WorkerId, u64)> {
        let handles = self.shared.handles();
        let size = |handle: &Handle| handle.process.get().and_then(Process::resident);
        let mut sizes: Vec<_> =
            handles.iter().filter_map(|handle| Some((handle.id, size(handle)?))).collect();
        sizes.sort_unstable();
        sizes
    }
}

impl<J: Job> PoolState<J> {
    fn worker_state(&self, handle: &Handle, now: MonotonicInstant) -> WorkerState {
        WorkerState {
            worker: handle.id,
            pid: handle.pid(),
            is_ready: handle.mailbox.get().is_some(),
            assigned: self.sched.assigned(handle.id),
            running: self.running_job(handle.id, now),
        }
    }

    fn running_job(&self, worker: WorkerId, now: MonotonicInstant) -> Option<RunningJob> {
        let (batch, index, since) = self.running(worker)?;
        let (job, batch_since) = self.sched.job_in_flight(worker, batch, index)?;
        let mut numbers = Vec::new();
        self.slices(&[JobRange::single(job)]).iter().for_each(|slice| slice.add_job_numbers(&mut numbers));
        let number = *numbers.first()?.start();
        Some(RunningJob { number, elapsed: now.since(batch_since.unwrap_or(since)) })
    }
}
