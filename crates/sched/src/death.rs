//! What follows from the end of a worker.

use std::time::Duration;

use job::{Death, FrameId, JobId, JobRange, Moment, WorkerId};

use crate::{
    Action, OnWorkerDeath, Sched, Verdict,
    queue::{Travel, Waiting},
    state::Mode,
    worker::{Doom, InFlight, Phase, Worker},
};

/// So many failed starts in a row break the pool.
const MOST_FAILED_STARTS: u32 = 5;

/// So many times its size may a pool lose workers between jobs, without a single outcome from any, before it is
/// taken for broken.
const MOST_IDLE_DEATHS: u32 = 20;

/// How long to wait after the first failed start; doubled after each.
const FIRST_BACKOFF: Duration = Duration::from_millis(10);

impl Sched {
    pub(crate) fn start_failed(&mut self, now: Moment, id: WorkerId, fatal: bool, actions: &mut Vec<Action>) {
        let Some(worker) = self.workers.remove(&id) else { return };
        if matches!(worker.phase, Phase::Doomed(doom) if doom != Doom::Late) {
            return;
        }
        self.failed_starts += 1;
        self.next_start = now + FIRST_BACKOFF * (1 << self.failed_starts.min(MOST_FAILED_STARTS + 1));
        let hopeless = fatal || self.failed_starts >= MOST_FAILED_STARTS;
        // Where some can be started and others not, those that can have to do.
        let others =
            self.workers.values().any(|worker| matches!(worker.phase, Phase::Serving | Phase::Starting));
        if hopeless && !others {
            self.break_down(actions);
        }
    }

    pub(crate) fn died(
        &mut self,
        id: WorkerId,
        running: Option<(FrameId, u64)>,
        death: Death,
        actions: &mut Vec<Action>,
    ) {
        // Gone already: a death is reported twice.
        let Some(worker) = self.workers.remove(&id) else { return };
        let expected = !matches!(worker.phase, Phase::Serving | Phase::Doomed(Doom::Expelled));
        if worker.frames.is_empty() && expected {
            return;
        }
        if self.settings.on_worker_death == OnWorkerDeath::Break && !expected {
            self.break_all(worker, actions);
            return;
        }
        let blamed = blamed_job(&worker, running);
        let mut again = Vec::new();
        for waiting in worker.frames.into_iter().flat_map(|in_flight| in_flight.jobs) {
            match blamed.filter(|&job| waiting.jobs.contains(job)) {
                None => again.push(waiting),
                Some(job) => {
                    let (before, rest) = waiting.jobs.split_at(job.0 - waiting.jobs.first().0);
                    again.extend(before.map(|jobs| Waiting { jobs, ..waiting }));
                    let (suspect, after) = rest.map_or((None, None), |rest| rest.split_at(1));
                    if let Some(jobs) = suspect
                        && self.charge(job, worker.phase, death, actions)
                    {
                        again.push(Waiting { jobs, travel: Travel::Alone, ..waiting });
                    }
                    again.extend(after.map(|jobs| Waiting { jobs, ..waiting }));
                }
            }
        }
        if blamed.is_none() {
            self.idle_deaths += 1;
        }
        match self.mode {
            Mode::Open | Mode::Closing => self.queue.push_front(again),
            Mode::Stopping | Mode::Broken => {
                again.iter().for_each(|waiting| self.cancel(waiting.jobs, actions));
            }
        }
        if self.idle_deaths > MOST_IDLE_DEATHS * self.settings.max_workers {
            self.break_down(actions);
        }
    }

    /// Notes a bad end of a job and says whether it is tried again; if not, it is resolved.
    fn charge(&mut self, job: JobId, phase: Phase, death: Death, actions: &mut Vec<Action>) -> bool {
        if !matches!(self.mode, Mode::Open | Mode::Closing) {
            return true;
        }
        if let Phase::Doomed(Doom::Called { .. }) = phase {
            self.cancel(JobRange::one(job), actions);
            return false;
        }
        let tried = self.attempts.entry(job).or_default();
        let verdict = if let Phase::Doomed(Doom::Overrun { limit, .. }) = phase {
            tried.timeouts += 1;
            let attempts = tried.deaths + tried.timeouts;
            (tried.timeouts > self.settings.timeout_retries).then_some(Verdict::TimedOut { limit, attempts })
        } else {
            tried.deaths += 1;
            let attempts = tried.deaths + tried.timeouts;
            (tried.deaths > self.settings.retries).then_some(Verdict::Crashed { death, attempts })
        };
        self.idle_deaths = 0;
        let Some(verdict) = verdict else { return true };
        let jobs = JobRange::one(job);
        self.forget(jobs);
        actions.push(Action::Resolve { jobs, verdict });
        false
    }

    /// Has a worker killed that is not needed any more.
    pub(crate) fn dismiss(&mut self, id: WorkerId, actions: &mut Vec<Action>) {
        self.doom(id, Doom::Dismissed, actions);
    }

    /// Has a worker killed, unless it is being killed already.
    pub(crate) fn doom(&mut self, id: WorkerId, doom: Doom, actions: &mut Vec<Action>) {
        if let Some(worker) = self.workers.get_mut(&id)
            && !matches!(worker.phase, Phase::Doomed(_))
        {
            worker.phase = Phase::Doomed(doom);
            worker.check_at = None;
            actions.push(Action::Kill(id));
        }
    }

    /// The rule of pools that do not heal: what the dead worker had is abandoned, and so is everything else.
    fn break_all(&mut self, dead: Worker, actions: &mut Vec<Action>) {
        self.break_down(actions);
        for waiting in dead.frames.into_iter().flat_map(|in_flight| in_flight.jobs) {
            self.cancel(waiting.jobs, actions);
        }
        let others: Vec<WorkerId> = self.workers.keys().copied().collect();
        others.into_iter().for_each(|id| self.dismiss(id, actions));
    }

    /// Gives up: all that waits is abandoned, and so is what comes.
    pub(crate) fn break_down(&mut self, actions: &mut Vec<Action>) {
        if self.mode == Mode::Stopping {
            return;
        }
        self.mode = Mode::Broken;
        let waiting: Vec<_> = self.queue.drain().collect();
        waiting.into_iter().for_each(|jobs| self.cancel(jobs, actions));
    }
}

/// The job that a death is charged to: the one that ran too long, or the one that was running.
fn blamed_job(worker: &Worker, running: Option<(FrameId, u64)>) -> Option<JobId> {
    if let Phase::Doomed(Doom::Overrun { job, .. } | Doom::Called { job }) = worker.phase {
        return Some(job);
    }
    let (frame, index) = running?;
    let in_flight: &InFlight = worker.frames.iter().find(|in_flight| in_flight.frame == frame)?;
    in_flight.job_at(index)
}
