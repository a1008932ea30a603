//! State of the scheduler, and queries of it.

use std::time::Duration;

use job::{BatchId, JobId, MonotonicInstant, WorkerId};

use crate::{
    Settings,
    job_table::JobTable,
    pauses::Pauses,
    queue::Queue,
    queue_time::QueueTime,
    sizing::Sizing,
    start_times::StartTimes,
    starts::Starts,
    worker::{InFlight, KillReason, Phase, Worker},
    workers::Workers,
};

/// Which jobs may be submitted and started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Jobs are accepted.
    Open,
    /// No more jobs are accepted; workers exit when all jobs are resolved.
    Closing,
    /// No more jobs are started.
    Stopping,
    /// No worker can be started; all jobs are abandoned.
    Broken,
}

/// The scheduler; see the [crate documentation](crate).
#[derive(Debug)]
pub struct Sched {
    pub(crate) settings: Settings,
    pub(crate) mode: Mode,
    /// End of the grace period of a stopped pool: the remaining workers are killed then.
    pub(crate) kill_at: Option<MonotonicInstant>,
    pub(crate) queue: Queue,
    /// Whether any job had another priority than 0.
    pub(crate) has_priorities: bool,
    pub(crate) workers: Workers,
    pub(crate) next_batch: u64,
    pub(crate) sizing: Sizing,
    pub(crate) jobs: JobTable,
    pub(crate) starts: Starts,
    pub(crate) start_times: StartTimes,
    /// Whether a worker has been lost: it crashed, or was killed because of a job.
    pub(crate) has_lost_workers: bool,
    /// Pauses that concern a current limit, including one in progress.
    pub(crate) pauses: Pauses,
    /// Deaths that no job was charged with, since the last outcome.
    pub(crate) idle_deaths: u32,
    pub(crate) queue_time: QueueTime,
    /// Whether no jobs may be assigned until the pool is released.
    pub(crate) is_held: bool,
    /// Time before which no job may be assigned, if the starts of jobs are spaced.
    pub(crate) next_start: MonotonicInstant,
    /// Number of failed attempts of jobs that were followed by another one.
    pub(crate) retried: u64,
}

impl Sched {
    /// Returns a scheduler without jobs and workers.
    #[must_use]
    pub fn new(settings: Settings) -> Sched {
        Sched {
            mode: Mode::Open,
            kill_at: None,
            queue: Queue::default(),
            has_priorities: false,
            workers: Workers::default(),
            next_batch: 0,
            sizing: Sizing::new(settings.batch_size),
            jobs: JobTable::new(settings.limit),
            starts: Starts::new(),
            start_times: StartTimes::default(),
            has_lost_workers: false,
            pauses: Pauses::default(),
            idle_deaths: 0,
            queue_time: QueueTime::new(),
            is_held: false,
            next_start: MonotonicInstant(0),
            retried: 0,
            settings,
        }
    }

    /// Returns the total time that jobs have spent in the queue, as of the last event.
    #[must_use]
    pub fn queue_time(&self) -> Duration {
        self.queue_time.total()
    }

    /// Returns the number of jobs that are not assigned to a worker.
    #[must_use]
    pub fn queued(&self) -> u64 {
        self.queue.total()
    }

    /// Returns the approximate encoded size, in bytes, of the jobs that are not assigned to a worker.
    #[must_use]
    pub fn queued_bytes(&self) -> u64 {
        self.queue.bytes()
    }

    /// Returns the number of failed attempts of jobs that were followed by another one.
    #[must_use]
    pub fn retried(&self) -> u64 {
        self.retried
    }

    /// Returns whether no further action can follow: the pool is closed, no job is unresolved, and there are
    /// no workers.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.mode != Mode::Open && self.workers.is_empty() && self.queue.total() == 0
    }

    /// Returns whether jobs can be submitted.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.mode == Mode::Open
    }

    /// Returns whether the workers are paused; until they are resumed no jobs are assigned.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.pauses.is_paused()
    }

    /// Returns whether any time limit may be in force: of a job, of a start, or of an exit.
    #[must_use]
    pub fn has_limits(&self) -> bool {
        self.kill_at.is_some()
            || self
                .workers
                .values()
                .any(|worker| worker.phase != Phase::Serving || !worker.batches.is_empty())
    }

    /// Returns whether the job is assigned to a worker.
    #[must_use]
    pub fn is_in_flight(&self, job: JobId) -> bool {
        self.workers.values().flat_map(|worker| &worker.batches).any(|batch| batch.contains(job))
    }

    /// Returns whether a job submitted now would be sent at once, or a worker started for it.
    #[must_use]
    pub fn has_capacity(&self) -> bool {
        self.queue.count() == 0
            && !self.is_paused()
            && !self.is_held()
            && (self.has_free_slot()
                || self.workers.values().any(|w| !w.is_spare && w.batches.len() < self.sizing.window()))
    }

    /// Returns whether there are fewer workers than the maximum, without the spare one.
    pub(crate) fn has_free_slot(&self) -> bool {
        self.workers.regular() < self.settings.max_workers as usize
    }

    /// Returns the estimated number of unresolved jobs at which no worker has to wait for the parent.
    #[must_use]
    pub fn target_backlog(&self) -> u64 {
        self.sizing.target_backlog(u64::from(self.settings.max_workers))
    }

    /// Returns the number of workers that have jobs.
    #[must_use]
    pub fn busy_workers(&self) -> usize {
        self.workers.values().filter(|worker| !worker.batches.is_empty()).count()
    }

    /// Returns the number of jobs that are assigned to a worker and have no outcome.
    #[must_use]
    pub fn assigned(&self, worker: WorkerId) -> u64 {
        let batches = self.workers.get(worker).map(|worker| &worker.batches);
        batches.into_iter().flatten().map(InFlight::count).sum()
    }

    /// Returns the job at an index of a worker's batch, if it has no outcome. If the start times of the jobs
    /// of the batch are not recorded, also returns when the worker started the batch, as far as the returned
    /// outcomes show.
    #[must_use]
    pub fn job_in_flight(
        &self,
        worker: WorkerId,
        batch: BatchId,
        index: u64,
    ) -> Option<(JobId, Option<MonotonicInstant>)> {
        let worker = self.workers.get(worker)?;
        let in_flight = worker.batches.iter().find(|in_flight| in_flight.batch == batch)?;
        let batch_since = (!in_flight.timed).then_some(worker.since);
        Some((in_flight.job_at(index)?, batch_since))
    }

    /// Returns whether a worker without jobs is being killed because it is no longer needed, for example
    /// while starting.
    #[must_use]
    pub fn is_dismissed(&self, worker: WorkerId) -> bool {
        let dismissed = |worker: &Worker| worker.phase == Phase::Killing(KillReason::Dismissed);
        self.workers.get(worker).is_some_and(|worker| dismissed(worker) && worker.batches.is_empty())
    }

    /// Returns the minimum number of jobs for which a batch is worth sending; 0 while the cost is not known
    /// well.
    #[must_use]
    pub fn min_batch_size(&self) -> u64 {
        self.sizing.min_batch()
    }

    /// Returns whether jobs are known to be so short that sending them one by one would cost more than
    /// running them.
    #[must_use]
    pub fn is_cheap(&self) -> bool {
        self.sizing.is_cheap()
    }

    /// Returns the workers to be observed ([`Running`](crate::Event::Running),
    /// [`Stalled`](crate::Event::Stalled), [`Rss`](crate::Event::Rss)) before the next
    /// [`Tick`](crate::Event::Tick): those that have jobs.
    pub fn workers_to_observe(&self) -> impl Iterator<Item = WorkerId> {
        let watched = |worker: &Worker| worker.phase == Phase::Serving && !worker.batches.is_empty();
        self.workers.iter().filter(move |(_, worker)| watched(worker)).map(|(id, _)| id)
    }

    /// Returns the first batch of this worker whose number matches, and the number of its outcomes returned
    /// so far. Workers publish only a part of the number.
    #[must_use]
    pub fn find_batch(&self, worker: WorkerId, matches: impl Fn(BatchId) -> bool) -> Option<(BatchId, u64)> {
        let batches = &self.workers.get(worker)?.batches;
        let found = batches.iter().find(|in_flight| matches(in_flight.batch))?;
        Some((found.batch, found.returned))
    }
}
