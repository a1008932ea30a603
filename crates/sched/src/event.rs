//! Input and output of the scheduler: events and actions.

use std::time::Duration;

use job::{BatchId, Death, JobId, JobRange, MonotonicInstant, WorkerId};

/// Input of the scheduler: a change in the pool or in one of its workers.
#[derive(Clone, Debug)]
pub enum Event {
    /// Jobs were submitted. Each number is submitted once, in ascending order.
    Submitted {
        /// The jobs.
        jobs: JobRange,
        /// Total encoded size in bytes.
        bytes: u64,
        /// Limits of those jobs that have some of their own.
        limits: Vec<(JobId, JobLimits)>,
        /// Priorities of those jobs whose priority is not 0, in ascending order of the jobs. Jobs of higher
        /// priority are assigned first; those of equal priority in the order in which they were submitted.
        /// An atomic group has the first of these priorities.
        priorities: Vec<(JobRange, i32)>,
        /// Whether they must go into one batch that contains no other jobs.
        is_atomic: bool,
    },
    /// A worker has completed its handshake and can be sent batches.
    Ready(WorkerId),
    /// A worker could not be started, or exited before it was ready.
    StartFailed {
        /// The worker.
        worker: WorkerId,
        /// Consequence for the next attempt.
        failure: StartFailure,
    },
    /// A worker has returned outcomes of a batch.
    Returned {
        /// The worker.
        worker: WorkerId,
        /// The batch.
        batch: BatchId,
        /// Number of outcomes: those that were [collected](Event::Collected) since the last event of this
        /// kind for the batch, and those of the first jobs of the batch that had no outcome yet.
        outcomes: u64,
        /// Whether these are the last outcomes of this batch.
        last: bool,
        /// Time the worker spent on them.
        busy: Duration,
    },
    /// The outcomes that a worker has finished and not sent were read from its memory. An
    /// [`Action::Deliver`] follows for those that are to be delivered.
    Collected {
        /// The worker.
        worker: WorkerId,
        /// The batch.
        batch: BatchId,
        /// Number of outcomes. They belong to the first jobs of the batch that had no outcome yet.
        outcomes: u64,
    },
    /// Reply to [`Action::Recall`]: this job is the last one that the worker has started; it starts no later
    /// job of the batches it was recalled from.
    RecallReply {
        /// The worker.
        worker: WorkerId,
        /// The job's batch.
        batch: BatchId,
        /// The job's index in the batch.
        index: u64,
    },
    /// The job that a worker is running. Sent before an [`Event::Tick`], and before an [`Event::Rss`] if the
    /// job was already running when the size was measured.
    Running {
        /// The worker.
        worker: WorkerId,
        /// The job's batch.
        batch: BatchId,
        /// The job's index in the batch.
        index: u64,
        /// When the job started.
        since: MonotonicInstant,
    },
    /// Whether a worker that has jobs is stalled. Sent before an [`Event::Tick`].
    Stalled {
        /// The worker.
        worker: WorkerId,
        /// Whether it makes no progress: its process is stopped, or it runs no job and sends nothing.
        is_stalled: bool,
    },
    /// Resident size of a worker and its descendants.
    Rss {
        /// The worker.
        worker: WorkerId,
        /// Size in bytes.
        bytes: u64,
    },
    /// A worker that had been ready has exited, and everything it had sent was reported in earlier events.
    Died {
        /// The worker.
        worker: WorkerId,
        /// Batch and index of the job that it was running.
        running: Option<(BatchId, u64)>,
        /// A batch of which the worker had finished more jobs than it had sent outcomes of, and the number of
        /// these outcomes. They were recovered; an [`Action::Deliver`] requests their delivery.
        recovered: Option<(BatchId, u64)>,
        /// Exit status.
        death: Death,
        /// Whether it ran out of memory. For a worker that was running no job, this is set only if it had no
        /// memory to receive its jobs.
        out_of_memory: bool,
    },
    /// These jobs are cancelled. Jobs in flight are not affected.
    Cancelled(JobRange),
    /// All jobs that are waiting are cancelled: those that are not in flight, except those for which workers
    /// are starting under [`OnWorkerDeath::Break`](crate::OnWorkerDeath::Break).
    WaitingCancelled,
    /// This job is cancelled even if it is in flight, in which case its worker is killed.
    Killed(JobId),
    /// No more jobs will be submitted; workers exit when all jobs are resolved.
    Closed,
    /// No more jobs may start; running jobs may finish within the grace period.
    Stopped {
        /// Time after which the remaining workers are killed.
        grace: Duration,
        /// Whether workers are also asked to terminate at once.
        terminate: bool,
    },
    /// Maximum number of workers from now on; at least 1.
    Resized(u32),
    /// Start workers up to the maximum without waiting for jobs.
    Prestart,
    /// The pool has lost a resource that it cannot run without.
    ResourceLost,
    /// All workers were stopped (SIGSTOP). Limits do not count until [`Event::Resumed`].
    Paused,
    /// All workers were continued.
    Resumed,
    /// No jobs may be assigned until [`Event::Released`]; running jobs continue.
    Held,
    /// Jobs may be assigned again.
    Released,
    /// Neither this process nor its workers ran between `since` and now, for example because all were stopped
    /// by a signal or the machine was suspended. All limits are extended by that time.
    TimeSkipped {
        /// The last time at which this process is known to have run.
        since: MonotonicInstant,
    },
    /// A requested time was reached; see [`Action::WakeAt`].
    Tick,
}

/// Limits of one job, each of which overrides a setting of the pool.
///
/// ```
/// use sched::JobLimits;
///
/// let limits = JobLimits { retries: Some(0), ..JobLimits::default() };
/// assert_eq!((limits.time_limit, limits.max_rss), (None, None));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobLimits {
    /// Time limit of each attempt.
    pub time_limit: Option<Duration>,
    /// Number of retries after deaths of its worker.
    pub retries: Option<u32>,
    /// Resident size, in bytes, of its worker and the worker's descendants above which the worker is killed
    /// while it runs the job. The job fails and is not retried.
    pub max_rss: Option<u64>,
}

/// Consequence of a failed start for the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartFailure {
    /// The next attempt would fail in the same way.
    Permanent,
    /// The worker, or something needed to start it, has failed; the next attempt may succeed.
    Transient,
    /// Another process killed the worker.
    Killed,
}

/// Output of the scheduler: what the pool must do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start this worker. [`Event::Ready`] or [`Event::StartFailed`] follows.
    Start(WorkerId),
    /// Send a batch. [`Event::Returned`] or [`Event::Died`] follows.
    Send {
        /// Destination.
        worker: WorkerId,
        /// Number of the batch.
        batch: BatchId,
        /// The jobs, in the order in which they run.
        jobs: Vec<JobRange>,
        /// Whether the worker must record the start time of each job.
        timed: bool,
    },
    /// Deliver the outcomes that were just returned, without those that were collected before, or that were
    /// collected or recovered. They belong to these jobs, in this order.
    Deliver(Vec<JobRange>),
    /// Resolve jobs that have no outcome of their own.
    Resolve {
        /// The jobs.
        jobs: JobRange,
        /// The reason.
        verdict: Verdict,
    },
    /// Make the worker start no further job of the batches it has.
    Halt(WorkerId),
    /// Make the worker start no further job of batches with smaller numbers. [`Event::RecallReply`] follows
    /// if it is known which job it started last, and in any case [`Event::Returned`] for each batch.
    Recall {
        /// The worker.
        worker: WorkerId,
        /// Number of the first batch that is not recalled.
        below: BatchId,
    },
    /// Make the worker exit after it has returned the batches it has.
    Retire(WorkerId),
    /// Send SIGTERM to the worker's processes.
    Terminate(WorkerId),
    /// Send SIGKILL to the worker's processes.
    Kill(WorkerId),
    /// Send an [`Event::Tick`] at this time, unless one is due earlier. Each tick requests the next.
    WakeAt(MonotonicInstant),
}

/// Reason why a job has no outcome of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The worker died while running the job, and no retries are left.
    Crashed {
        /// Exit status of the worker.
        death: Death,
        /// Number of times the job was started.
        attempts: u32,
        /// Deaths of earlier attempts with other causes: the first of each cause.
        earlier: Box<[Death]>,
    },
    /// The worker ran out of memory while running the job.
    Memory {
        /// Exit status of the worker.
        death: Death,
        /// Number of times the job was started.
        attempts: u32,
        /// Deaths of earlier attempts with other causes: the first of each cause.
        earlier: Box<[Death]>,
    },
    /// The job did what the sandbox forbids, and its worker was killed for it.
    Denied {
        /// Exit status of the worker.
        death: Death,
        /// Number of times the job was started.
        attempts: u32,
        /// Deaths of earlier attempts with other causes: the first of each cause.
        earlier: Box<[Death]>,
    },
    /// The job exceeded its time limit, and no retries are left.
    TimedOut {
        /// The limit.
        limit: Duration,
        /// Number of times the job was started.
        attempts: u32,
        /// Deaths of earlier attempts: the first of each cause.
        earlier: Box<[Death]>,
    },
    /// The job was cancelled, or the pool was stopped.
    Cancelled,
    /// The pool is broken: no worker can be started.
    Abandoned,
}
