//! The scheduler's state and the one door to it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use job::{BatchId, Death, JobId, JobRange, MonotonicInstant, WorkerId};

use crate::{
    Action, Event, Settings,
    death::End,
    pauses::Pauses,
    queue::{Grouping, Queue, Waiting},
    sizing::Sizing,
    worker::{KillReason, Phase, Worker},
};

/// How the pool stands to new work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Open,
    /// All that was submitted is finished, then the workers leave.
    Closing,
    /// Nothing starts any more.
    Stopping,
    /// No worker can be started.
    Broken,
}

/// How often a job was started and ended badly.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts {
    pub(crate) deaths: u32,
    pub(crate) timeouts: u32,
    /// The first death of each cause. There are fewer causes than a job may have attempts.
    causes: Vec<Death>,
}

impl Attempts {
    pub(crate) fn note_death(&mut self, death: Death) {
        self.deaths += 1;
        if self.causes.iter().all(|known| known.cause != death.cause) {
            self.causes.push(death);
        }
    }

    /// Deaths that had other causes than this one.
    pub(crate) fn unlike(&self, last: Option<Death>) -> Box<[Death]> {
        let unlike = |death: &&Death| last.is_none_or(|last| last.cause != death.cause);
        self.causes.iter().filter(unlike).copied().collect()
    }
}

/// Decides which worker runs which jobs. See the [crate's page](crate).
#[derive(Debug)]
pub struct Sched {
    pub(crate) settings: Settings,
    pub(crate) mode: Mode,
    /// The pool was stopped: workers that are still there then are killed.
    pub(crate) kill_at: Option<MonotonicInstant>,
    pub(crate) queue: Queue,
    pub(crate) workers: BTreeMap<WorkerId, Worker>,
    /// The generation of each slot's next worker.
    pub(crate) generations: HashMap<u32, u32>,
    pub(crate) next_batch: u64,
    pub(crate) sizing: Sizing,
    /// Jobs that have gone wrong and are still unresolved.
    pub(crate) attempts: BTreeMap<JobId, Attempts>,
    /// Jobs that are to end with the worker that has them.
    pub(crate) condemned: BTreeSet<JobId>,
    /// Unresolved jobs with limits of their own.
    pub(crate) limits: BTreeMap<JobId, Duration>,
    /// Counts the times a worker became idle.
    pub(crate) idle_count: u64,
    /// Starts that failed by themselves since the last that did not.
    pub(crate) failed_starts: u32,
    /// Workers that were killed while they started, since the last that was not.
    pub(crate) killed_starts: u32,
    /// Enough starts have failed to break the pool unless a worker is usable; until the next that does not.
    pub(crate) starts_fail: bool,
    /// When the workers were stopped and continued, while it matters to some limit; the last may go on.
    pub(crate) pauses: Pauses,
    /// No start before this.
    pub(crate) next_start: MonotonicInstant,
    /// Deaths that no job can be charged with, since the last outcome.
    pub(crate) idle_deaths: u32,
    /// How long jobs have waited in the queue, all of them together, until then.
    queued: (Duration, MonotonicInstant),
}

impl Sched {
    /// A scheduler without jobs and workers.
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
            condemned: BTreeSet::new(),
            limits: BTreeMap::new(),
            idle_count: 0,
            failed_starts: 0,
            killed_starts: 0,
            starts_fail: false,
            pauses: Pauses::default(),
            next_start: MonotonicInstant(0),
            idle_deaths: 0,
            queued: (Duration::ZERO, MonotonicInstant(0)),
            settings,
        }
    }

    /// Takes note of what happened and says what is to be done about it, in this order.
    #[must_use]
    pub fn handle(&mut self, now: MonotonicInstant, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.count_waiting(now);
        match event {
            Event::Submitted { jobs, bytes, limits, together } => {
                self.limits.extend(limits);
                let grouping = if together { Grouping::Atomic } else { Grouping::Any };
                let waiting = Waiting { jobs, mean_bytes: bytes / jobs.count(), grouping };
                self.submitted(waiting, &mut actions);
            }
            Event::Ready(worker) => self.ready(now, worker, &mut actions),
            Event::StartFailed { worker, failure } => self.start_failed(now, worker, failure, &mut actions),
            Event::Returned { worker, batch, outcomes, last, busy } => {
                if self.returned(now, worker, (batch, outcomes, last), &mut actions) {
                    self.sizing.learn(outcomes, busy);
                }
            }
            Event::TakenBack { worker, batch, index } => self.taken_back(worker, batch, index, &mut actions),
            Event::Seen { worker, batch, index, since } => self.seen(worker, batch, index, since),
            Event::Resident { worker, bytes } => self.resident(worker, bytes, &mut actions),
            Event::Stalled { worker, stands } => self.stood(now, worker, stands),
            Event::Paused => self.pauses.begin(now),
            Event::Resumed => self.resumed(now, &mut actions),
            Event::TimeSkipped { since } => self.time_skipped(now, since, &mut actions),
            Event::Died { worker, running, kept, death, memory } => {
                self.deliver_kept(worker, kept, &mut actions);
                self.died(now, worker, End { running, death, memory }, &mut actions);
            }
            Event::Cancelled(jobs) => self.cancelled(jobs, &mut actions),
            Event::Killed(job) => self.killed(job, &mut actions),
            Event::Closed => self.closed(),
            Event::Prestart => self.prestart(now, &mut actions),
            Event::ResourceLost => self.break_down(&mut actions),
            Event::Stopped { grace, terminate } => self.stopped(now, grace, terminate, &mut actions),
            Event::Resized(workers) => self.settings.max_workers = workers.max(1),
            Event::Tick => self.tick(now, &mut actions),
        }
        self.queue.wake(now);
        self.shed(now, &mut actions);
        self.dispatch(now, &mut actions);
        self.relieve(now, &mut actions);
        self.release(now, &mut actions);
        actions
    }

    fn count_waiting(&mut self, now: MonotonicInstant) {
        let (queued, since) = &mut self.queued;
        let jobs = u32::try_from(self.queue.total()).unwrap_or(u32::MAX);
        *queued = queued.saturating_add(now.since(*since).saturating_mul(jobs));
        *since = now;
    }

    /// How long jobs have waited for a worker, all of them together, as of the last event.
    #[must_use]
    pub fn queued(&self) -> Duration {
        self.queued.0
    }

    /// Whether nothing will ever happen any more: no more jobs, none unresolved, no workers.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.mode != Mode::Open && self.workers.is_empty() && self.queue.total() == 0
    }

    /// Whether jobs can be submitted.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.mode == Mode::Open
    }

    /// Whether the workers stand, and no more are given jobs.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.pauses.is_paused()
    }

    /// Whether some limit is in force: of a job, of a start, of an end.
    #[must_use]
    pub fn has_limits(&self) -> bool {
        self.kill_at.is_some() || self.workers.values().any(|worker| !worker.is_idle())
    }

    /// Whether a worker has the job.
    #[must_use]
    pub fn is_in_flight(&self, job: JobId) -> bool {
        self.workers.values().flat_map(|worker| &worker.batches).any(|batch| batch.contains(job))
    }

    /// Whether a worker is idle, or may be started, so that a job submitted now would be sent at once.
    #[must_use]
    pub fn has_capacity(&self) -> bool {
        self.queue.count() == 0
            && !self.is_paused()
            && (self.has_free_place()
                || self.workers.values().any(|worker| worker.batches.len() < self.sizing.window()))
    }

    /// Whether another worker may be started.
    pub(crate) fn has_free_place(&self) -> bool {
        self.workers.len() < self.settings.max_workers as usize
    }

    /// How many jobs should be known of so that no worker has to wait for any, as far as can be told.
    #[must_use]
    pub fn enough(&self) -> u64 {
        self.sizing.enough(u64::from(self.settings.max_workers))
    }

    /// How many workers have jobs.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.workers.values().filter(|worker| !worker.batches.is_empty()).count()
    }

    /// Whether a worker without jobs is being killed because it is not needed any more, as one that was still starting.
    #[must_use]
    pub fn is_dismissed(&self, worker: WorkerId) -> bool {
        let dismissed = |worker: &Worker| worker.phase == Phase::Doomed(KillReason::Dismissed);
        self.workers.get(&worker).is_some_and(|worker| dismissed(worker) && worker.batches.is_empty())
    }

    /// How many jobs are worth a batch at least, as far as that is known.
    #[must_use]
    pub fn least_batch(&self) -> u64 {
        self.sizing.least()
    }

    /// Whether jobs have proved to be so short that sending them one by one would cost more than they do.
    #[must_use]
    pub fn is_cheap(&self) -> bool {
        self.sizing.is_cheap()
    }

    /// The workers whose doings matter to the next [`Event::Tick`].
    pub fn watched(&self) -> impl Iterator<Item = WorkerId> {
        let watched = |worker: &Worker| worker.phase == Phase::Serving && !worker.batches.is_empty();
        self.workers.iter().filter(move |(_, worker)| watched(worker)).map(|(&id, _)| id)
    }

    /// The number of a batch that this worker has, given what it published of it, and how many of its outcomes have
    /// come back.
    #[must_use]
    pub fn batch_of(&self, worker: WorkerId, matches: impl Fn(BatchId) -> bool) -> Option<(BatchId, u64)> {
        let batches = &self.workers.get(&worker)?.batches;
        let found = batches.iter().find(|in_flight| matches(in_flight.batch))?;
        Some((found.batch, found.returned))
    }

    fn submitted(&mut self, waiting: Waiting, actions: &mut Vec<Action>) {
        match self.mode {
            Mode::Open => self.queue.push_back(waiting),
            // The pool refuses these itself; one that slipped through is not lost.
            Mode::Closing | Mode::Stopping | Mode::Broken => self.cancel(waiting.jobs, actions),
        }
    }

    fn ready(&mut self, now: MonotonicInstant, id: WorkerId, actions: &mut Vec<Action>) {
        if let Some(worker) = self.workers.get_mut(&id)
            && worker.phase == Phase::Starting
        {
            worker.phase = Phase::Serving;
            self.failed_starts = 0;
            self.killed_starts = 0;
            self.starts_fail = false;
            self.became_idle(now, id, actions);
        }
    }

    fn became_idle(&mut self, now: MonotonicInstant, id: WorkerId, actions: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        self.idle_count += 1;
        worker.last_idle = self.idle_count;
        worker.idle_since = now;
        worker.check_at = None;
        worker.stood_since = None;
        actions.extend(self.settings.idle_timeout.map(|time| Action::WakeAt(now + time)));
    }

    /// Hands out outcomes of a batch, and says whether the worker had it.
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
        let place = worker.batches.iter().position(|held| held.batch == batch && plausible(held.count()));
        let Some(place) = place else {
            // One that leaves is missed by nobody, whatever it says.
            let serves = worker.phase == Phase::Serving;
            self.doom(id, if serves { KillReason::Expelled } else { KillReason::Dismissed }, actions);
            return false;
        };
        let delivered: Vec<JobRange> =
            worker.batches[place].take_first(outcomes).iter().map(|waiting| waiting.jobs).collect();
        let ended = if last { worker.batches.remove(place) } else { None };
        (worker.seen, worker.since) = (None, now);
        if worker.batches.is_empty() {
            self.became_idle(now, id, actions);
        }
        self.idle_deaths = 0;
        delivered.iter().for_each(|&jobs| self.forget(jobs));
        actions.push(Action::Deliver(delivered));
        self.given_back(id, ended.map_or_else(Vec::new, |batch| batch.jobs), actions);
        true
    }

    /// Sees to jobs of a batch that the worker was told not to begin with.
    pub(crate) fn given_back(&mut self, id: WorkerId, jobs: Vec<Waiting>, actions: &mut Vec<Action>) {
        if matches!(self.mode, Mode::Stopping | Mode::Broken) {
            return jobs.into_iter().for_each(|waiting| self.cancel(waiting.jobs, actions));
        }
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.assigned -= jobs.iter().map(|waiting| waiting.jobs.count()).sum::<u64>();
        }
        self.put_back(jobs, actions);
    }

    /// Has jobs that a worker had wait again, but for those that are to end.
    pub(crate) fn put_back(&mut self, jobs: Vec<Waiting>, actions: &mut Vec<Action>) {
        self.queue.push_front(jobs);
        let condemned: Vec<JobId> = self.condemned.iter().copied().collect();
        condemned.into_iter().for_each(|job| self.cancelled(JobRange::one(job), actions));
    }

    /// Hands out the outcomes that a dead worker had kept.
    fn deliver_kept(&mut self, id: WorkerId, kept: Option<(BatchId, u64)>, actions: &mut Vec<Action>) {
        let (Some((batch, outcomes)), Some(worker)) = (kept, self.workers.get_mut(&id)) else { return };
        // More outcomes than jobs would be the work of whatever killed the worker.
        let held = worker.batches.iter_mut().find(|held| held.batch == batch && outcomes <= held.count());
        let Some(held) = held else { return };
        let delivered: Vec<JobRange> = held.take_first(outcomes).iter().map(|waiting| waiting.jobs).collect();
        worker.batches.retain(|held| held.count() > 0);
        delivered.iter().for_each(|&jobs| self.forget(jobs));
        self.idle_deaths = 0;
        actions.push(Action::Deliver(delivered));
    }

    /// Drops what is known of resolved jobs.
    pub(crate) fn forget(&mut self, jobs: JobRange) {
        forget_in(&mut self.attempts, jobs);
        forget_in(&mut self.limits, jobs);
        while let Some(&job) = self.condemned.range(jobs.first()..JobId(jobs.end())).next() {
            self.condemned.remove(&job);
        }
    }
}

fn forget_in<T>(known: &mut BTreeMap<JobId, T>, jobs: JobRange) {
    while let Some((&job, _)) = known.range(jobs.first()..JobId(jobs.end())).next() {
        known.remove(&job);
    }
}
