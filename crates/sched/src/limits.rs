//! Time limits: of jobs, of workers that leave, of a pool that is stopped.

use std::time::Duration;

use job::{BatchId, JobId, MonotonicInstant, WorkerId};

use crate::{
    Action, RESIDENT_PERIOD, Sched,
    worker::{InFlight, KillReason, Phase, Worker},
};

impl Sched {
    pub(crate) fn seen(&mut self, id: WorkerId, batch: BatchId, index: u64, since: MonotonicInstant) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.seen = Some((batch, index, since));
        }
    }

    pub(crate) fn stood(&mut self, now: MonotonicInstant, id: WorkerId, stands: bool) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.stood_since = stands.then(|| worker.stood_since.unwrap_or(now));
        }
    }

    /// Time goes on: what would have been due meanwhile is due so much later.
    pub(crate) fn resumed(&mut self, now: MonotonicInstant, actions: &mut Vec<Action>) {
        let Some(pause) = self.pauses.end(now) else { return };
        if self.workers.values().all(|worker| worker.batches.is_empty()) {
            self.pauses.forget_before(now);
        }
        for worker in self.workers.values_mut() {
            worker.stood_since = None;
            worker.check_at = worker.check_at.map(|at| at + pause);
            match &mut worker.phase {
                Phase::Leaving { by } => *by = *by + pause,
                Phase::Doomed(KillReason::Overrun { kill_at: Some(at), .. }) => *at = *at + pause,
                _ => {}
            }
        }
        self.kill_at = self.kill_at.map(|at| at + pause);
        self.tick(now, actions);
    }

    /// The same for a pause that nobody announced. One that was announced covers it.
    pub(crate) fn time_skipped(
        &mut self,
        now: MonotonicInstant,
        since: MonotonicInstant,
        actions: &mut Vec<Action>,
    ) {
        if !self.is_paused() {
            self.pauses.begin(since);
            self.resumed(now, actions);
        }
    }

    /// Time between two looks at workers that have jobs: whether one is stopped, and how large they are.
    pub(crate) fn look_every(&self) -> Duration {
        let look = self.settings.stall_timeout / 10;
        if self.limits_resident() { look.min(RESIDENT_PERIOD) } else { look }
    }

    /// Has a worker killed that stands, with jobs that nobody else can have.
    fn check_standing(&mut self, now: MonotonicInstant, id: WorkerId, actions: &mut Vec<Action>) {
        let limit = self.settings.stall_timeout;
        let Some(worker) = self.workers.get(&id) else { return };
        let stands = worker.stood_since.is_some_and(|since| since + limit <= now);
        if stands && worker.phase == Phase::Serving {
            self.doom(id, KillReason::Stood, actions);
        }
    }

    pub(crate) fn tick(&mut self, now: MonotonicInstant, actions: &mut Vec<Action>) {
        let ids: Vec<WorkerId> = self.workers.keys().copied().collect();
        if self.is_paused() {
            // Only the end of the pool does not wait.
            if self.kill_at.is_some_and(|at| at <= now) {
                ids.into_iter().for_each(|id| self.check_end(now, id, actions));
            }
            actions.extend(self.kill_at.filter(|&at| at > now).map(Action::WakeAt));
            return;
        }
        for id in ids {
            self.check_standing(now, id, actions);
            self.check_limit(now, id, actions);
            self.check_end(now, id, actions);
        }
        // Whoever keeps the time may have kept the earliest wish only.
        actions.extend(self.next_check(now).map(Action::WakeAt));
    }

    /// The next moment at which something is due that no other event will bring up.
    fn next_check(&self, now: MonotonicInstant) -> Option<MonotonicInstant> {
        let look = Some(now + self.look_every());
        let of_worker = |worker: &Worker| match worker.phase {
            Phase::Serving if worker.batches.is_empty() => {
                self.settings.idle_timeout.map(|time| worker.idle_since + time)
            }
            Phase::Serving => worker.check_at.into_iter().chain(look).min(),
            Phase::Doomed(KillReason::Overrun { kill_at, .. }) => kill_at,
            Phase::Leaving { by } => Some(by),
            Phase::Starting => worker.check_at,
            Phase::Doomed(
                KillReason::Late
                | KillReason::Stood
                | KillReason::Oversized
                | KillReason::Expelled
                | KillReason::Dismissed
                | KillReason::Called { .. },
            ) => None,
        };
        let start = (self.queue.count() > 0).then_some(self.next_start);
        let rest = self.queue.next_wake();
        let all = self.workers.values().filter_map(of_worker).chain(self.kill_at).chain(start).chain(rest);
        all.filter(|&at| at > now).min()
    }

    /// Has the worker asked to end if its job has run too long, and otherwise says when to look again.
    fn check_limit(&mut self, now: MonotonicInstant, id: WorkerId, actions: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        // Only what was seen just now says what it is doing now.
        let seen = worker.seen.take();
        let Some(worker) = self.workers.get(&id) else { return };
        if worker.check_at.is_none_or(|at| at > now) || worker.phase != Phase::Serving {
            return;
        }
        let running = seen.and_then(|(batch, index, since)| {
            let in_flight =
                worker.batches.iter().find(|in_flight| in_flight.batch == batch && in_flight.timed)?;
            let job = in_flight.job_at(index)?;
            Some((job, self.limit_of(job)?, since))
        });
        let running = running.map(|(job, limit, since)| (job, limit, since + self.pauses.since(since)));
        let overrun = running.filter(|&(_, limit, since)| since + limit <= now);
        // Whatever it starts meanwhile is not overdue before the shortest limit of all that it has.
        let shortest = worker.batches.iter().filter_map(|batch| self.shortest_limit(batch)).min();
        let due = running.map(|(_, limit, since)| since + limit);
        // Not at once again: a job with no time at all waits for its turn like the others.
        let shortest = shortest.map(|limit| limit.max(Duration::from_millis(1)));
        let next = shortest.map(|limit| now + limit).into_iter().chain(due).min();
        let kill_at = now + self.settings.grace_period;
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if let Some((job, limit, _)) = overrun {
            worker.check_at = None;
            worker.phase = Phase::Doomed(KillReason::Overrun { job, limit, kill_at: Some(kill_at) });
            actions.extend([Action::Terminate(id), Action::WakeAt(kill_at)]);
        } else {
            worker.check_at = next;
            actions.extend(next.map(Action::WakeAt));
        }
    }

    /// Has the worker killed if it was told to end, or to leave, and has not.
    fn check_end(&mut self, now: MonotonicInstant, id: WorkerId, actions: &mut Vec<Action>) {
        let stopping = self.kill_at.is_some_and(|at| at <= now);
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let due = match &mut worker.phase {
            Phase::Doomed(KillReason::Overrun { kill_at, .. })
                if stopping || kill_at.is_some_and(|at| at <= now) =>
            {
                kill_at.take().is_some()
            }
            Phase::Doomed(_) => false,
            Phase::Leaving { by } if stopping || *by <= now => true,
            Phase::Starting | Phase::Serving if stopping => true,
            phase @ Phase::Starting if worker.check_at.is_some_and(|at| at <= now) => {
                *phase = Phase::Doomed(KillReason::Late);
                true
            }
            _ => return,
        };
        if due {
            actions.push(Action::Kill(id));
            if !matches!(worker.phase, Phase::Doomed(_)) {
                worker.phase = Phase::Doomed(KillReason::Dismissed);
            }
        }
    }

    fn limit_of(&self, job: JobId) -> Option<Duration> {
        self.limits.get(&job).copied().or(self.settings.limit)
    }

    fn shortest_limit(&self, batch: &InFlight) -> Option<Duration> {
        if !batch.timed {
            return None;
        }
        batch.jobs.iter().flat_map(|waiting| waiting.jobs.iter()).filter_map(|job| self.limit_of(job)).min()
    }
}
