//! Statistics of workers and of the parent.

use std::time::Duration;

use crate::{StageTimes, WorkerId};

/// Counts and times of one worker, from its start until its exit or until now.
///
/// ```
/// use std::time::Duration;
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::metrics::{WorkerId, WorkerStats};
///
/// fn idle(worker: &WorkerStats) -> Duration {
///     worker.lifetime.saturating_sub(worker.start_time + worker.busy)
/// }
/// let mut stats = WorkerStats::new(WorkerId { slot: 0, generation: 0 });
/// stats.start_time = Duration::from_millis(5);
/// stats.busy = Duration::from_millis(80);
/// stats.lifetime = Duration::from_millis(100);
/// assert_eq!(idle(&stats), Duration::from_millis(15));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// The worker.
    pub worker: WorkerId,
    /// ID of its process; `None` for a thread.
    pub pid: Option<u32>,
    /// Number of jobs whose outcomes it has returned.
    pub jobs: u64,
    /// Number of batches whose outcomes it has returned.
    pub batches: u64,
    /// Number of bytes of the batches sent to it.
    pub bytes_out: u64,
    /// Number of bytes of the batches it has returned.
    pub bytes_in: u64,
    /// Time from the decision to start it until it was ready.
    pub start_time: Duration,
    /// Time spent on decoding and running jobs and on encoding outcomes.
    pub busy: Duration,
    /// Time from the decision to start it until it had exited, or until now.
    pub lifetime: Duration,
    /// Time spent in each stage; zero for a thread, or if time accounting is disabled.
    pub stage_times: StageTimes,
    /// CPU time of its process; zero for a thread.
    pub cpu_time: Duration,
    /// Long-running programs of this worker.
    pub programs: ProgramStats,
}

/// Number of programs that a worker started to run several jobs each.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::metrics::ProgramStats;
///
/// let stats = ProgramStats { started: 3, replaced: 2, crashed: 1 };
/// assert_eq!(stats.started - stats.replaced, 1, "one was not a replacement");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgramStats {
    /// Number of programs started.
    pub started: u32,
    /// Number of those that replaced another one, in this worker or in the previous worker of the same slot.
    pub replaced: u32,
    /// Number of programs that exited before they had answered a request.
    pub crashed: u32,
}

/// Time spent by the parent.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::metrics::{ParentStats, Stage};
///
/// let stats = ParentStats::default();
/// assert!(stats.threads.is_empty() && stats.callers[Stage::Encode].is_zero());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParentStats {
    /// Threads of the executor.
    pub threads: Vec<ThreadStats>,
    /// Time that threads of the program spent in the executor.
    pub callers: StageTimes,
    /// Total time that jobs have waited for a worker.
    pub queue_time: Duration,
}

/// Time spent by one thread.
///
/// ```
/// use std::time::Duration;
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::metrics::{Stage, StageTimes, ThreadStats};
///
/// let mut stage_times = StageTimes::default();
/// stage_times.add(Stage::Wait, Duration::from_secs(1));
/// let thread = ThreadStats { name: "clock".into(), lifetime: Duration::from_secs(1), stage_times };
/// assert_eq!(thread.lifetime, thread.stage_times.total());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadStats {
    /// Name of the thread.
    pub name: String,
    /// Time from its start to its end, or until now.
    pub lifetime: Duration,
    /// Time spent in each stage.
    pub stage_times: StageTimes,
}

impl WorkerStats {
    /// Returns statistics in which all counts and times are zero.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::metrics::{WorkerId, WorkerStats};
    ///
    /// let stats = WorkerStats::new(WorkerId { slot: 2, generation: 0 });
    /// assert_eq!((stats.worker.slot, stats.jobs), (2, 0));
    /// ```
    #[must_use]
    pub fn new(worker: WorkerId) -> WorkerStats {
        WorkerStats {
            worker,
            pid: None,
            jobs: 0,
            batches: 0,
            bytes_out: 0,
            bytes_in: 0,
            start_time: Duration::ZERO,
            busy: Duration::ZERO,
            lifetime: Duration::ZERO,
            stage_times: StageTimes::default(),
            cpu_time: Duration::ZERO,
            programs: ProgramStats::default(),
        }
    }
}
