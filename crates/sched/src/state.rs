//! State of the scheduler, and its entry point [`Sched::handle`].

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use job::{BatchId, Death, JobId, JobRange, MonotonicInstant, WorkerId};

use crate::{
    Action, Event, Settings,
    death::WorkerExit,
    pauses::Pauses,
    queue::{Grouping, JobSpan, Queue},
    sizing::Sizing,
    worker::{InFlight, KillReason, Phase, Worker},
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

/// Failed attempts of a job.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts {
    pub(crate) deaths: u32,
    pub(crate) timeouts: u32,
    /// The first death of each cause. Bounded by the number of different causes.
    causes: Vec<Death>,
}

impl Attempts {
    pub(crate) fn note_death(&mut self, death: Death) {
        self.deaths += 1;
        if self.causes.iter().all(|known| known.cause != death.cause) {
            self.causes.push(death);
        }
    }

    /// Returns the deaths that had other causes than `last`.
    pub(crate) fn of_other_causes(&self, last: Option<Death>) -> Box<[Death]> {
        let differs = |death: &&Death| last.is_none_or(|last| last.cause != death.cause);
        self.causes.iter().filter(differs).copied().collect()
    }
}

/// The scheduler; see the [crate documentation](crate).
#[derive(Debug)]
pub struct Sched {
    pub(crate) settings: Settings,
    pub(crate) mode: Mode,
    /// End of the grace period of a stopped pool: the remaining workers are killed then.
    pub(crate) kill_at: Option<MonotonicInstant>,
    pub(crate) queue: Queue,
    pub(crate) workers: BTreeMap<WorkerId, Worker>,
    /// Generation of the next worker of each slot.
    pub(crate) generations: HashMap<u32, u32>,
    pub(crate) next_batch: u64,
    pub(crate) sizing: Sizing,
    /// Failed attempts of unresolved jobs.
    pub(crate) attempts: BTreeMap<JobId, Attempts>,
    /// Jobs in flight that were cancelled by [`Event::Killed`]; not requeued.
    pub(crate) kill_requested: BTreeSet<JobId>,
    /// Time limits of unresolved jobs that have one of their own.
    pub(crate) limits: BTreeMap<JobId, Duration>,
    /// Number of times a worker became idle; the source of [`Worker::last_idle`].
    pub(crate) idle_count: u64,
    /// Starts that failed by themselves since the last successful start.
    pub(crate) failed_starts: u32,
    /// Workers that were killed while starting, since the last successful start.
    pub(crate) killed_starts: u32,
    /// Whether starts have failed so often that the pool breaks unless a worker is usable. Cleared by a
    /// successful start.
    pub(crate) starts_failing: bool,
    /// Pauses that concern a current limit, including one in progress.
    pub(crate) pauses: Pauses,
    /// Time before which no worker is started (backoff).
    pub(crate) next_start: MonotonicInstant,
    /// Deaths that no job was charged with, since the last outcome.
    pub(crate) idle_deaths: u32,
    /// Total time that jobs have spent in the queue, and the time up to which it was counted.
    queued: (Duration, MonotonicInstant),
}

impl Sched {
    /// Returns a scheduler without jobs and workers.
    #[must_use]
    pub fn new(settings: Settings) -> Sched {
        Sched {
            mode: Mode::Open,
            kill_at: None,
            queue: Queue::default(),
            workers: BTreeMap::new(),
            generations: HashMap::new(),
            next_batch: 0,
            sizing: Sizing::new(settings.batch_size),
            attempts: BTreeMap::new(),
            kill_requested: BTreeSet::new(),
            limits: BTreeMap::new(),
            idle_count: 0,
            failed_starts: 0,
            killed_starts: 0,
            starts_failing: false,
            pauses: Pauses::default(),
            next_start: MonotonicInstant(0),
            idle_deaths: 0,
            queued: (Duration::ZERO, MonotonicInstant(0)),
            settings,
        }
    }

    /// Updates the state by an event and returns the actions that follow, in the order in which they must be
    /// done.
    #[must_use]
    pub fn handle(&mut self, now: MonotonicInstant, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.add_queue_time(now);
        match event {
            Event::Submitted { jobs, bytes, limits, together } => {
                self.limits.extend(limits);
                let grouping = if together { Grouping::Atomic } else { Grouping::Any };
                let span = JobSpan { jobs, mean_bytes: bytes / jobs.count(), grouping };
                self.submitted(span, &mut actions);
            }
            Event::Ready(worker) => self.ready(now, worker, &mut actions),
            Event::StartFailed { worker, failure } => self.start_failed(now, worker, failure, &mut actions),
            Event::Returned { worker, batch, outcomes, last, busy } => {
                if self.returned(now, worker, (batch, outcomes, last), &mut actions) {
                    self.sizing.note(outcomes, busy);
                }
            }
            Event::TakenBack { worker, batch, index } => self.taken_back(worker, batch, index, &mut actions),
            Event::Seen { worker, batch, index, since } => self.seen(worker, batch, index, since),
            Event::Resident { worker, bytes } => self.resident(worker, bytes, &mut actions),
            Event::Stalled { worker, stands } => self.stalled(now, worker, stands),
            Event::Paused => self.pauses.begin(now),
            Event::Resumed => self.resumed(now, &mut actions),
            Event::TimeSkipped { since } => self.time_skipped(now, since, &mut actions),
            Event::Died { worker, running, kept, death, memory } => {
                self.deliver_recovered(worker, kept, &mut actions);
                self.died(now, worker, WorkerExit { running, death, memory }, &mut actions);
            }
            Event::Cancelled(jobs) => self.cancelled(jobs, &mut actions),
            Event::Killed(job) => self.killed(job, &mut actions),
            Event::Closed => self.closed(),
            Event::Prestart => self.prestart(now, &mut actions),
            Event::ResourceLost => self.break_pool(&mut actions),
            Event::Stopped { grace, terminate } => self.stopped(now, grace, terminate, &mut actions),
            Event::Resized(workers) => self.settings.max_workers = workers.max(1),
            Event::Tick => self.tick(now, &mut actions),
        }
        self.queue.release_due(now);
        self.scale_down(now, &mut actions);
        self.dispatch(now, &mut actions);
        self.rebalance(now, &mut actions);
        self.release(now, &mut actions);
        actions
    }

    fn add_queue_time(&mut self, now: MonotonicInstant) {
        let (queued, since) = &mut self.queued;
        let jobs = u32::try_from(self.queue.total()).unwrap_or(u32::MAX);
        *queued = queued.saturating_add(now.since(*since).saturating_mul(jobs));
        *since = now;
    }

    /// Returns the total time that jobs have spent in the queue, as of the last event.
    #[must_use]
    pub fn queued(&self) -> Duration {
        self.queued.0
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
        self.kill_at.is_some() || self.workers.values().any(|worker| !worker.is_idle())
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
            && (self.has_free_slot()
                || self.workers.values().any(|worker| worker.batches.len() < self.sizing.window()))
    }

    /// Returns whether there are fewer workers than the maximum.
    pub(crate) fn has_free_slot(&self) -> bool {
        self.workers.len() < self.settings.max_workers as usize
    }

    /// Returns the estimated number of unresolved jobs at which no worker has to wait for the parent.
    #[must_use]
    pub fn enough(&self) -> u64 {
        self.sizing.target_backlog(u64::from(self.settings.max_workers))
    }

    /// Returns the number of workers that have jobs.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.workers.values().filter(|worker| !worker.batches.is_empty()).count()
    }

    /// Returns whether a worker without jobs is being killed because it is no longer needed, for example
    /// while starting.
    #[must_use]
    pub fn is_dismissed(&self, worker: WorkerId) -> bool {
        let dismissed = |worker: &Worker| worker.phase == Phase::Killing(KillReason::Dismissed);
        self.workers.get(&worker).is_some_and(|worker| dismissed(worker) && worker.batches.is_empty())
    }

    /// Returns the minimum number of jobs for which a batch is worth sending; 0 while the cost is not known
    /// well.
    #[must_use]
    pub fn least_batch(&self) -> u64 {
        self.sizing.min_batch()
    }

    /// Returns whether jobs are known to be so short that sending them one by one would cost more than
    /// running them.
    #[must_use]
    pub fn is_cheap(&self) -> bool {
        self.sizing.is_cheap()
    }

    /// Returns the workers to be observed ([`Event::Seen`], [`Event::Stalled`], [`Event::Resident`]) before
    /// the next [`Event::Tick`]: those that have jobs.
    pub fn watched(&self) -> impl Iterator<Item = WorkerId> {
        let watched = |worker: &Worker| worker.phase == Phase::Serving && !worker.batches.is_empty();
        self.workers.iter().filter(move |(_, worker)| watched(worker)).map(|(&id, _)| id)
    }

    /// Returns the first batch of this worker whose number matches, and the number of its outcomes returned
    /// so far. Workers publish only a part of the number.
    #[must_use]
    pub fn batch_of(&self, worker: WorkerId, matches: impl Fn(BatchId) -> bool) -> Option<(BatchId, u64)> {
        let batches = &self.workers.get(&worker)?.batches;
        let found = batches.iter().find(|in_flight| matches(in_flight.batch))?;
        Some((found.batch, found.returned))
    }

    fn submitted(&mut self, span: JobSpan, actions: &mut Vec<Action>) {
        match self.mode {
            Mode::Open => self.queue.push_back(span),
            // The pool refuses jobs in these modes; a job submitted just before the change is resolved here.
            Mode::Closing | Mode::Stopping | Mode::Broken => self.cancel(span.jobs, actions),
        }
    }

    fn ready(&mut self, now: MonotonicInstant, id: WorkerId, actions: &mut Vec<Action>) {
        if let Some(worker) = self.workers.get_mut(&id)
            && worker.phase == Phase::Starting
        {
            worker.phase = Phase::Serving;
            self.failed_starts = 0;
            self.killed_starts = 0;
            self.starts_failing = false;
            self.became_idle(now, id, actions);
        }
    }

    fn became_idle(&mut self, now: MonotonicInstant, id: WorkerId, actions: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        self.idle_count += 1;
        worker.last_idle = self.idle_count;
        worker.idle_since = now;
        worker.check_at = None;
        worker.stalled_since = None;
        actions.extend(self.settings.idle_timeout.map(|time| Action::WakeAt(now + time)));
    }

    /// Delivers outcomes of a batch. Returns false if the worker does not have this batch, or not that many
    /// jobs of it.
    fn returned(
        &mut self,
        now: MonotonicInstant,
        id: WorkerId,
        (batch, outcomes, last): (BatchId, u64, bool),
        actions: &mut Vec<Action>,
    ) -> bool {
        let halted = self.kill_at.is_some();
        let Some(worker) = self.workers.get_mut(&id) else { return false };
        if last && outcomes == 0 && worker.forget_emptied(batch) {
            return true;
        }
        let may_be_short = halted || batch < worker.recalled;
        let plausible = |count: u64| match last {
            true => outcomes == count || (may_be_short && outcomes < count),
            false => (1..count).contains(&outcomes),
        };
        let is_valid = |in_flight: &InFlight| in_flight.batch == batch && plausible(in_flight.count());
        let Some(position) = worker.batches.iter().position(is_valid) else {
            // A protocol error of a worker that is exiting anyway has no consequences.
            let serves = worker.phase == Phase::Serving;
            self.kill_worker(
                id,
                if serves { KillReason::ProtocolError } else { KillReason::Dismissed },
                actions,
            );
            return false;
        };
        let delivered: Vec<JobRange> =
            worker.batches[position].take_first(outcomes).iter().map(|span| span.jobs).collect();
        let ended = if last { worker.batches.remove(position) } else { None };
        (worker.seen, worker.since) = (None, now);
        if worker.batches.is_empty() {
            self.became_idle(now, id, actions);
        }
        self.idle_deaths = 0;
        delivered.iter().for_each(|&jobs| self.forget(jobs));
        actions.push(Action::Deliver(delivered));
        self.reclaim(id, ended.map_or_else(Vec::new, |batch| batch.jobs), actions);
        true
    }

    /// Requeues jobs that a worker did not start, because it was halted or recalled; cancels them if no more
    /// jobs start.
    pub(crate) fn reclaim(&mut self, id: WorkerId, jobs: Vec<JobSpan>, actions: &mut Vec<Action>) {
        if matches!(self.mode, Mode::Stopping | Mode::Broken) {
            return jobs.into_iter().for_each(|span| self.cancel(span.jobs, actions));
        }
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.assigned -= jobs.iter().map(|span| span.jobs.count()).sum::<u64>();
        }
        self.requeue(jobs, actions);
    }

    /// Returns jobs of a worker to the front of the queue, and cancels those whose kill was requested.
    pub(crate) fn requeue(&mut self, jobs: Vec<JobSpan>, actions: &mut Vec<Action>) {
        self.queue.push_front(jobs);
        let kill_requested: Vec<JobId> = self.kill_requested.iter().copied().collect();
        kill_requested.into_iter().for_each(|job| self.cancelled(JobRange::one(job), actions));
    }

    /// Delivers the outcomes that were recovered from a dead worker.
    fn deliver_recovered(
        &mut self,
        id: WorkerId,
        recovered: Option<(BatchId, u64)>,
        actions: &mut Vec<Action>,
    ) {
        let (Some((batch, outcomes)), Some(worker)) = (recovered, self.workers.get_mut(&id)) else { return };
        // A larger number of outcomes than jobs means that the crash corrupted the worker's memory.
        let is_valid = |in_flight: &&mut InFlight| in_flight.batch == batch && outcomes <= in_flight.count();
        let Some(in_flight) = worker.batches.iter_mut().find(is_valid) else { return };
        let delivered: Vec<JobRange> = in_flight.take_first(outcomes).iter().map(|span| span.jobs).collect();
        worker.batches.retain(|in_flight| in_flight.count() > 0);
        delivered.iter().for_each(|&jobs| self.forget(jobs));
        self.idle_deaths = 0;
        actions.push(Action::Deliver(delivered));
    }

    /// Drops the bookkeeping of resolved jobs.
    pub(crate) fn forget(&mut self, jobs: JobRange) {
        remove_range(&mut self.attempts, jobs);
        remove_range(&mut self.limits, jobs);
        while let Some(&job) = self.kill_requested.range(jobs.first()..JobId(jobs.end())).next() {
            self.kill_requested.remove(&job);
        }
    }
}

fn remove_range<T>(map: &mut BTreeMap<JobId, T>, jobs: JobRange) {
    while let Some((&job, _)) = map.range(jobs.first()..JobId(jobs.end())).next() {
        map.remove(&job);
    }
}
