//! What is counted about a worker.

use std::time::Duration;

use crate::{StageTimes, WorkerId};

/// Counts and times of one worker, from its start to the moment of asking.
///
/// ```
/// use std::time::Duration;
/// use job::{WorkerStats, WorkerId};
///
/// fn idle(worker: &WorkerStats) -> Duration {
///     worker.life.saturating_sub(worker.start + worker.busy)
/// }
/// let mut figures = WorkerStats::new(WorkerId { slot: 0, generation: 0 });
/// figures.start = Duration::from_millis(5);
/// figures.busy = Duration::from_millis(80);
/// figures.life = Duration::from_millis(100);
/// assert_eq!(idle(&figures), Duration::from_millis(15));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerStats {
    /// Which worker.
    pub worker: WorkerId,
    /// Its process; `None` for a thread.
    pub pid: Option<u32>,
    /// Jobs whose outcomes came back from it.
    pub jobs: u64,
    /// Batches whose outcomes came back from it.
    pub batches: u64,
    /// Bytes of the batches sent to it.
    pub bytes_out: u64,
    /// Bytes of the batches that came back.
    pub bytes_in: u64,
    /// From the decision to start it until it was ready.
    pub start: Duration,
    /// Time it spent decoding, running and encoding.
    pub busy: Duration,
    /// From the decision to start it until it was gone, or until now.
    pub life: Duration,
    /// What it spent its life on; nothing for a thread, or where nobody counts.
    pub stage_times: StageTimes,
    /// The processor time of its process; nothing for a thread.
    pub processor: Duration,
    /// Programs that it has kept for several jobs.
    pub programs: ProgramStats,
}

/// Programs that a worker has started and kept for several jobs.
///
/// ```
/// use job::ProgramStats;
///
/// let figures = ProgramStats { started: 3, replaced: 2, crashed: 1 };
/// assert_eq!(figures.started - figures.replaced, 1, "the first one");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgramStats {
    /// Number that it has started.
    pub started: u32,
    /// Number of those that took the place of another, in this worker or in the one before it in the same slot.
    pub replaced: u32,
    /// Number that ended with a request unanswered.
    pub crashed: u32,
}

/// Where the parent's time went.
///
/// ```
/// use job::{ParentStats, Stage};
///
/// let nothing = ParentStats::default();
/// assert!(nothing.lanes.is_empty() && nothing.callers[Stage::Encode].is_zero());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParentStats {
    /// The threads that the executor has of its own.
    pub lanes: Vec<ThreadStats>,
    /// What the threads of the program spent in the executor.
    pub callers: StageTimes,
    /// How long jobs waited for a worker, all of them together.
    pub queued: Duration,
}

/// The time of one thread.
///
/// ```
/// use std::time::Duration;
/// use job::{ThreadStats, StageTimes, Stage};
///
/// let mut spent = StageTimes::default();
/// stage_times.add(Stage::Wait, Duration::from_secs(1));
/// let thread = ThreadStats { name: "clock".into(), life: Duration::from_secs(1), spent };
/// assert_eq!(thread.life, thread.stage_times.total());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadStats {
    /// What it is called.
    pub name: String,
    /// From its start to its end, or until now.
    pub life: Duration,
    /// What it did.
    pub stage_times: StageTimes,
}

impl WorkerStats {
    /// The figures of a worker that has done nothing yet.
    ///
    /// ```
    /// use job::{WorkerStats, WorkerId};
    ///
    /// let figures = WorkerStats::new(WorkerId { slot: 2, generation: 0 });
    /// assert_eq!((figures.worker.slot, figures.jobs), (2, 0));
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
            start: Duration::ZERO,
            busy: Duration::ZERO,
            life: Duration::ZERO,
            stage_times: StageTimes::default(),
            processor: Duration::ZERO,
            programs: ProgramStats::default(),
        }
    }
}
