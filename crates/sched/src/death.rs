//! What follows from the end of a worker.

use std::time::Duration;

use job::{BatchId, Death, JobId, JobRange, MonotonicInstant, WorkerId};

use crate::{
    Action, OnWorkerDeath, Sched, StartFailure, Verdict,
    queue::{Grouping, Waiting},
    state::Mode,
    worker::{InFlight, KillReason, Phase, Worker},
};

/// So many failed starts in a row break the pool.
const MOST_FAILED_STARTS: u32 = 5;

/// So many workers that somebody kills while they start do so too: nobody can say that the next would live.
const MOST_KILLED_STARTS: u32 = 100;

/// So many times its size may a pool lose workers between jobs, without a single outcome from any, before it is
/// taken for broken.
const MOST_IDLE_DEATHS: u32 = 20;

/// How long to wait after the first failed start, or the first death in a job; doubled after each.
const FIRST_BACKOFF: Duration = Duration::from_millis(10);

/// Doubled so often at the most.
const MOST_DOUBLINGS: u32 = 6;

/// What is known of a worker's end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) running: Option<(BatchId, u64)>,
    pub(crate) death: Death,
    pub(crate) memory: bool,
}

fn backoff(failures: u32) -> Duration {
    FIRST_BACKOFF * (1 << failures.saturating_sub(1).min(MOST_DOUBLINGS))
}

impl Sched {
    pub(crate) fn start_failed(
        &mut self,
        now: MonotonicInstant,
        id: WorkerId,
        failure: StartFailure,
        actions: &mut Vec<Action>,
    ) {
        let Some(worker) = self.workers.remove(&id) else { return };
        if matches!(worker.phase, Phase::Doomed(doom) if doom != KillReason::Late) {
            return;
        }
        match failure {
            StartFailure::Killed => self.killed_starts += 1,
            StartFailure::Own | StartFailure::Final => self.failed_starts += 1,
        }
        self.next_start = now + backoff(self.failed_starts + 1);
        self.starts_fail |= failure == StartFailure::Final
            || self.failed_starts >= MOST_FAILED_STARTS
            || self.killed_starts >= MOST_KILLED_STARTS;
        if self.starts_fail && !self.workers.values().any(is_usable) {
            self.break_down(actions);
        }
    }

    pub(crate) fn died(&mut self, now: MonotonicInstant, id: WorkerId, end: End, actions: &mut Vec<Action>) {
        // Gone already: a death is reported twice.
        let Some(worker) = self.workers.remove(&id) else { return };
        let expected = !matches!(
            worker.phase,
            Phase::Serving | Phase::Doomed(KillReason::Expelled | KillReason::Stood | KillReason::Oversized)
        );
        if worker.batches.is_empty() && expected {
            return;
        }
        if self.settings.on_worker_death == OnWorkerDeath::Break && !expected {
            self.break_all(worker, actions);
            return;
        }
        let goes_on = matches!(self.mode, Mode::Open | Mode::Closing);
        let blamed = blamed_job(&worker, end).filter(|_| goes_on);
        // Among several jobs that were too much to receive nobody can say which one was: the next time each is alone.
        let crowd = if end.memory && blamed.is_none() {
            worker.batches.front().map(|batch| batch.batch)
        } else {
            None
        };
        let mut again = Vec::new();
        let held = worker.batches.into_iter().flat_map(|in_flight| {
            let alone = crowd == Some(in_flight.batch);
            in_flight.jobs.into_iter().map(move |waiting| match alone {
                true => Waiting { grouping: Grouping::Isolated, ..waiting },
                false => waiting,
            })
        });
        for waiting in held {
            match blamed.filter(|&job| waiting.jobs.contains(job)) {
                None => again.push(waiting),
                Some(job) => {
                    let (before, rest) = waiting.jobs.split_at(job.0 - waiting.jobs.first().0);
                    again.extend(before.map(|jobs| Waiting { jobs, ..waiting }));
                    let (suspect, after) = rest.map_or((None, None), |rest| rest.split_at(1));
                    if let Some(jobs) = suspect
                        && let Some(after) = self.charge(job, worker.phase, end, actions)
                    {
                        // Not at once: what killed it may be over soon, like a lack of memory.
                        let suspect = Waiting { jobs, grouping: Grouping::Isolated, ..waiting };
                        self.queue.rest(now + after, suspect);
                        actions.push(Action::WakeAt(now + after));
                    }
                    again.extend(after.map(|jobs| Waiting { jobs, ..waiting }));
                }
            }
        }
        if blamed.is_none() {
            self.idle_deaths += 1;
        }
        if goes_on {
            self.put_back(again, actions);
        } else {
            again.iter().for_each(|waiting| self.cancel(waiting.jobs, actions));
        }
        if self.idle_deaths > MOST_IDLE_DEATHS * self.settings.max_workers {
            self.break_down(actions);
        }
    }

    /// Notes a bad end of a job and says after which time it is tried again; if it is not, it is resolved.
    fn charge(&mut self, job: JobId, phase: Phase, end: End, actions: &mut Vec<Action>) -> Option<Duration> {
        if self.condemned.contains(&job) {
            self.cancel(JobRange::one(job), actions);
            return None;
        }
        let tried = self.attempts.entry(job).or_default();
        let verdict = if let Phase::Doomed(KillReason::Overrun { limit, .. }) = phase {
            tried.timeouts += 1;
            let (attempts, earlier) = (tried.deaths + tried.timeouts, tried.unlike(None));
            let is_last = tried.timeouts > self.settings.timeout_retries;
            is_last.then_some(Verdict::TimedOut { limit, attempts, earlier })
        } else {
            let death = end.death;
            tried.note_death(death);
            let (attempts, earlier) = (tried.deaths + tried.timeouts, tried.unlike(Some(death)));
            if end.memory || phase == Phase::Doomed(KillReason::Oversized) {
                // It would need as much again.
                Some(Verdict::Memory { death, attempts, earlier })
            } else {
                let is_last = tried.deaths > self.settings.retries;
                is_last.then_some(Verdict::Crashed { death, attempts, earlier })
            }
        };
        let ends = tried.deaths + tried.timeouts;
        self.idle_deaths = 0;
        let Some(verdict) = verdict else { return Some(backoff(ends)) };
        let jobs = JobRange::one(job);
        self.forget(jobs);
        actions.push(Action::Resolve { jobs, verdict });
        None
    }

    /// Has a worker killed that is not needed any more.
    pub(crate) fn dismiss(&mut self, id: WorkerId, actions: &mut Vec<Action>) {
        self.doom(id, KillReason::Dismissed, actions);
    }

    /// Has a worker killed, unless it is being killed already.
    pub(crate) fn doom(&mut self, id: WorkerId, doom: KillReason, actions: &mut Vec<Action>) {
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
        for waiting in dead.batches.into_iter().flat_map(|in_flight| in_flight.jobs) {
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

/// Whether a pool whose starts fail may go on with this worker: where some workers can be started and others not, those that
/// can have to do. A replacement that is still starting proves nothing, since it can fail like those before it; otherwise
/// two slots whose replacements start in turns would keep the pool unbroken without end.
fn is_usable(worker: &Worker) -> bool {
    match worker.phase {
        Phase::Serving => true,
        Phase::Starting => !worker.after_failures,
        Phase::Leaving { .. } | Phase::Doomed(_) => false,
    }
}

/// The job that a death is charged to: the one that ran too long, the one that was running, or the one that there was no
/// memory to receive.
fn blamed_job(worker: &Worker, end: End) -> Option<JobId> {
    if let Phase::Doomed(KillReason::Overrun { job, .. } | KillReason::Called { job }) = worker.phase {
        return Some(job);
    }
    if end.memory && end.running.is_none() {
        return worker.batches.front().filter(|batch| batch.count() == 1)?.first_job();
    }
    let (batch, index) = end.running?;
    let in_flight: &InFlight = worker.batches.iter().find(|in_flight| in_flight.batch == batch)?;
    in_flight.job_at(index)
}
