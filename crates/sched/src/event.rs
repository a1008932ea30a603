//! What the scheduler hears, and what it asks for.

use std::time::Duration;

use job::{BatchId, Death, JobId, JobRange, MonotonicInstant, WorkerId};

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Jobs to run. Each number is submitted once, in ascending order.
    Submitted {
        /// The jobs.
        jobs: JobRange,
        /// How many bytes they take together.
        bytes: u64,
        /// Those among them that have time limits of their own.
        limits: Vec<(JobId, Duration)>,
        /// Whether they go into one batch, with no others.
        together: bool,
    },
    /// A worker has started.
    Ready(WorkerId),
    /// A worker could not be started, or ended before it was ready.
    StartFailed {
        /// The worker.
        worker: WorkerId,
        /// What that says about the next attempt.
        failure: StartFailure,
    },
    /// A worker has sent outcomes of a batch back.
    Returned {
        /// The worker.
        worker: WorkerId,
        /// The batch.
        batch: BatchId,
        /// How many outcomes came: those of the first jobs of the batch that had none yet.
        outcomes: u64,
        /// Whether no more will come.
        last: bool,
        /// How long the worker was busy with it.
        busy: Duration,
    },
    /// A worker that was [recalled](Action::Recall) had begun with this job: it begins with no later one of the batches that
    /// it was recalled from.
    TakenBack {
        /// The worker.
        worker: WorkerId,
        /// The job's batch.
        batch: BatchId,
        /// The job's place in it.
        index: u64,
    },
    /// What a worker was found to be doing; told before a [`Event::Tick`].
    Seen {
        /// The worker.
        worker: WorkerId,
        /// The job's batch.
        batch: BatchId,
        /// The job's place in it.
        index: u64,
        /// When the job started.
        since: MonotonicInstant,
    },
    /// A worker was found to do nothing although it has jobs, or to do something; told before a [`Event::Tick`].
    Stalled {
        /// The worker.
        worker: WorkerId,
        /// Whether it does nothing: somebody has stopped it, or it is in no job and silent.
        stands: bool,
    },
    /// The resident size of a worker and what it has started was looked at.
    Resident {
        /// The worker.
        worker: WorkerId,
        /// In bytes.
        bytes: u64,
    },
    /// A worker that had been ready is gone, and all that it had sent has been told.
    Died {
        /// The worker.
        worker: WorkerId,
        /// The batch that it was in and the place of the job in it.
        running: Option<(BatchId, u64)>,
        /// A batch of which it had finished more jobs than it had sent outcomes of, and how many more; an
        /// [`Action::Deliver`] asks for their outcomes.
        kept: Option<(BatchId, u64)>,
        /// How it ended.
        death: Death,
        /// Whether that was for lack of memory; told of a worker in no job only if it had none to receive its jobs with.
        memory: bool,
    },
    /// These jobs are no longer wanted; those that are under way are not touched.
    Cancelled(JobRange),
    /// This job is to end, whatever it takes; a worker that has it is killed.
    Killed(JobId),
    /// No more jobs will be submitted; workers leave when all is done.
    Closed,
    /// No job shall start any more; running ones have this long.
    Stopped {
        /// After this time their workers are killed.
        grace: Duration,
        /// Whether the workers are asked to end now.
        terminate: bool,
    },
    /// So many workers there may be at a time from now on; at least 1.
    Resized(u32),
    /// Start all workers that there may be, without waiting for jobs.
    Prestart,
    /// The pool lacks what it needs to go on.
    ResourceLost,
    /// The workers have been stopped where they stand; limits stand still.
    Paused,
    /// They have been continued.
    Resumed,
    /// Neither this process nor its workers ran from then until now, as when all are stopped by a signal or the machine is
    /// suspended: limits are extended by that time.
    TimeSkipped {
        /// The last moment at which the process is known to have run.
        since: MonotonicInstant,
    },
    /// Time has passed.
    Tick,
}

/// What a failed start says about the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartFailure {
    /// It would fail in the same way.
    Final,
    /// The worker, or what it takes to start one, has failed; it may do so again.
    Own,
    /// Somebody killed it.
    Killed,
}

/// Something is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start this worker; [`Event::Ready`] or [`Event::StartFailed`] follows.
    Start(WorkerId),
    /// Send a batch; [`Event::Returned`] or [`Event::Died`] follows.
    Send {
        /// To this worker.
        worker: WorkerId,
        /// Under this number.
        batch: BatchId,
        /// These jobs, in this order.
        jobs: Vec<JobRange>,
        /// Whether the worker is to note when each job starts.
        timed: bool,
    },
    /// Hand out the outcomes that have just come back: they belong to these jobs, in this order.
    Deliver(Vec<JobRange>),
    /// These jobs end without an outcome of their own.
    Resolve {
        /// The jobs.
        jobs: JobRange,
        /// Why.
        verdict: Verdict,
    },
    /// Have the worker run no further job of the batches it has.
    Halt(WorkerId),
    /// Have the worker begin with no further job of batches with smaller numbers. [`Event::TakenBack`] follows if it is known
    /// which it has begun, and in any case [`Event::Returned`] for each batch.
    Recall {
        /// The worker.
        worker: WorkerId,
        /// Batches from this number on are meant for it.
        below: BatchId,
    },
    /// Have the worker leave when it has sent back what it has.
    Retire(WorkerId),
    /// Ask the worker's processes to end.
    Terminate(WorkerId),
    /// End the worker's processes.
    Kill(WorkerId),
    /// Send a [`Event::Tick`] at this time, unless one is due earlier: each tick answers with the next wish.
    WakeAt(MonotonicInstant),
}

/// Why a job has no outcome of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its worker died in it, on the last attempt that it had.
    Crashed {
        /// How the worker ended.
        death: Death,
        /// How often the job was started.
        attempts: u32,
        /// Deaths of earlier attempts that had other causes: the first of each cause.
        earlier: Box<[Death]>,
    },
    /// Its worker ran out of memory in it.
    Memory {
        /// How the worker ended.
        death: Death,
        /// How often the job was started.
        attempts: u32,
        /// Deaths of earlier attempts that had other causes: the first of each cause.
        earlier: Box<[Death]>,
    },
    /// It ran past its limit, on the last attempt that it had.
    TimedOut {
        /// The limit.
        limit: Duration,
        /// How often the job was started.
        attempts: u32,
        /// Deaths of earlier attempts: the first of each cause.
        earlier: Box<[Death]>,
    },
    /// It was cancelled, or the pool was stopped.
    Cancelled,
    /// The pool is broken: no worker can be started.
    Abandoned,
}
