//! What is counted about a worker.

use std::time::Duration;

use crate::{Spent, WorkerId};

/// Counts and times of one worker, from its start to the moment of asking.
///
/// ```
/// use std::time::Duration;
/// use job::{WorkerFigures, WorkerId};
///
/// fn idle(worker: &WorkerFigures) -> Duration {
///     worker.life.saturating_sub(worker.start + worker.busy)
/// }
/// let mut figures = WorkerFigures::new(WorkerId { slot: 0, generation: 0 });
/// figures.start = Duration::from_millis(5);
/// figures.busy = Duration::from_millis(80);
/// figures.life = Duration::from_millis(100);
/// assert_eq!(idle(&figures), Duration::from_millis(15));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerFigures {
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
    pub spent: Spent,
    /// The processor time of its process; nothing for a thread.
    pub processor: Duration,
    /// Programs that it has kept for several jobs.
    pub programs: ProgramFigures,
}

/// Programs that a worker has started and kept for several jobs.
///
/// ```
/// use job::ProgramFigures;
///
/// let figures = ProgramFigures { started: 3, replaced: 2, crashed: 1 };
/// assert_eq!(figures.started - figures.replaced, 1, "the first one");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgramFigures {
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
/// use job::{ParentFigures, Stage};
///
/// let nothing = ParentFigures::default();
/// assert!(nothing.lanes.is_empty() && nothing.callers[Stage::Encode].is_zero());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParentFigures {
    /// The threads that the executor has of its own.
    pub lanes: Vec<LaneFigures>,
    /// What the threads of the program spent in the executor.
    pub callers: Spent,
    /// How long jobs waited for a worker, all of them together.
    pub queued: Duration,
}

/// The time of one thread.
///
/// ```
/// use std::time::Duration;
/// use job::{LaneFigures, Spent, Stage};
///
/// let mut spent = Spent::default();
/// spent.add(Stage::Wait, Duration::from_secs(1));
/// let thread = LaneFigures { name: "clock".into(), life: Duration::from_secs(1), spent };
/// assert_eq!(thread.life, thread.spent.total());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneFigures {
    /// What it is called.
    pub name: String,
    /// From its start to its end, or until now.
    pub life: Duration,
    /// What it did.
    pub spent: Spent,
}

impl WorkerFigures {
    /// The figures of a worker that has done nothing yet.
    ///
    /// ```
    /// use job::{WorkerFigures, WorkerId};
    ///
    /// let figures = WorkerFigures::new(WorkerId { slot: 2, generation: 0 });
    /// assert_eq!((figures.worker.slot, figures.jobs), (2, 0));
    /// ```
    #[must_use]
    pub fn new(worker: WorkerId) -> WorkerFigures {
        WorkerFigures {
            worker,
            pid: None,
            jobs: 0,
            batches: 0,
            bytes_out: 0,
            bytes_in: 0,
            start: Duration::ZERO,
            busy: Duration::ZERO,
            life: Duration::ZERO,
            spent: Spent::default(),
            processor: Duration::ZERO,
            programs: ProgramFigures::default(),
        }
    }
}
