//! Time limits: of jobs, of starting, stalled and retired workers, and of a pool that is being stopped.

use std::time::Duration;

use job::{BatchId, MonotonicInstant, WorkerId};

use crate::{
    Action, RSS_CHECK_INTERVAL, Sched,
    worker::{KillReason, Phase, Worker},
};

impl Sched {
    pub(crate) fn seen(&mut self, id: WorkerId, batch: BatchId, index: u64, since: MonotonicInstant) {
        if let Some(worker) = self.workers.get_mut(id) {
            worker.seen = Some((batch, index, since));
        }
    }

    pub(crate) fn stalled(&mut self, now: MonotonicInstant, id: WorkerId, is_stalled: bool) {
        if let Some(worker) = self.workers.get_mut(id) {
            worker.stalled_since = is_stalled.then(|| worker.stalled_since.unwrap_or(now));
        }
    }

    /// Ends a pause and extends all limits by its length.
    pub(crate) fn resumed(&mut self, now: MonotonicInstant, actions: &mut Vec<Action>) {
        let Some(pause) = self.pauses.end(now) else { return };
        if self.workers.values().all(|worker| worker.batches.is_empty()) {
            self.pauses.forget_before(now);
        }
        for worker in self.workers.values_mut() {
            worker.stalled_since = None;
            worker.check_at = worker.check_at.map(|at| at + pause);
            match &mut worker.phase {
                Phase::Retiring { by } => *by = *by + pause,
                Phase::Killing(KillReason::JobTimedOut { kill_at: Some(at), .. }) => *at = *at + pause,
                _ => {}
            }
        }
        self.kill_at = self.kill_at.map(|at| at + pause);
        self.tick(now, actions);
    }

    /// Extends all limits by an unannounced pause. Has no effect during an announced one, which includes that
    /// time.
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

    /// Returns the interval at which workers that have jobs are checked: for progress, and for their resident
    /// size.
    pub(crate) fn check_period(&self) -> Duration {
        let period = self.settings.stall_timeout / 10;
        if self.limits_rss() { period.min(RSS_CHECK_INTERVAL) } else { period }
    }

    /// Kills a worker that has been stalled for `stall_timeout`, since no other worker can run its jobs.
    fn check_stalled(&mut self, now: MonotonicInstant, id: WorkerId, actions: &mut Vec<Action>) {
        let limit = self.settings.stall_timeout;
        let Some(worker) = self.workers.get(id) else { return };
        let is_overdue = worker.stalled_since.is_some_and(|since| since + limit <= now);
        if is_overdue && worker.phase == Phase::Serving {
            self.workers.kill(id, KillReason::Stalled, actions);
        }
    }

    pub(crate) fn tick(&mut self, now: MonotonicInstant, actions: &mut Vec<Action>) {
        let ids = self.workers.ids();
        if self.is_paused() {
            // Only the grace period of a stopped pool runs on during a pause.
            if self.kill_at.is_some_and(|at| at <= now) {
                ids.into_iter().for_each(|id| self.check_end(now, id, actions));
            }
            actions.extend(self.kill_at.filter(|&at| at > now).map(Action::WakeAt));
            return;
        }
        for id in ids {
            self.check_stalled(now, id, actions);
            self.check_limit(now, id, actions);
            self.check_end(now, id, actions);
        }
        // Repeated at each tick, because the pool stores only the earliest requested time.
        actions.extend(self.next_check(now).map(Action::WakeAt));
    }

    /// Returns the next time at which something is due that no other event will trigger.
    fn next_check(&self, now: MonotonicInstant) -> Option<MonotonicInstant> {
        let periodic = Some(now + self.check_period());
        let of_worker = |worker: &Worker| match worker.phase {
            Phase::Serving if worker.batches.is_empty() => {
                let timeout = self.settings.idle_timeout.map(|time| worker.idle_since + time);
                timeout.into_iter().chain(self.next_idle_check(worker)).min()
            }
            Phase::Serving => worker.check_at.into_iter().chain(periodic).min(),
            Phase::Killing(KillReason::JobTimedOut { kill_at, .. }) => kill_at,
            Phase::Retiring { by } => Some(by),
            Phase::Starting => worker.check_at,
            Phase::Killing(
                KillReason::StartTimeout
                | KillReason::Stalled
                | KillReason::RssExceeded
                | KillReason::ProtocolError
                | KillReason::Dismissed
                | KillReason::JobKilled { .. },
            ) => None,
        };
        let start = (self.queue.count() > 0).then_some(self.starts.next());
        let delayed = self.queue.next_due();
        let all = self.workers.values().filter_map(of_worker).chain(self.kill_at).chain(start).chain(delayed);
        all.filter(|&at| at > now).min()
    }

    /// Sends SIGTERM to a worker whose job exceeded its limit; otherwise schedules the next check.
    fn check_limit(&mut self, now: MonotonicInstant, id: WorkerId, actions: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        // An observation is valid for one tick only: later the worker may be running another job.
        let seen = worker.seen.take();
        let Some(worker) = self.workers.get(id) else { return };
        if worker.check_at.is_none_or(|at| at > now) || worker.phase != Phase::Serving {
            return;
        }
        let running = seen.and_then(|(batch, index, since)| {
            let in_flight =
                worker.batches.iter().find(|in_flight| in_flight.batch == batch && in_flight.timed)?;
            let job = in_flight.job_at(index)?;
            Some((job, self.jobs.limit_of(job)?, since))
        });
        let running =
            running.map(|(job, limit, since)| (job, limit, since + self.pauses.paused_since(since)));
        let overrun = running.filter(|&(_, limit, since)| since + limit <= now);
        // A job that starts from now on is not overdue before the shortest limit of all the worker's jobs has
        // passed.
        let timed = worker.batches.iter().filter(|batch| batch.timed);
        let shortest = timed.filter_map(|batch| self.jobs.shortest_limit(&batch.jobs)).min();
        let due = running.map(|(_, limit, since)| since + limit);
        // At least 1 ms, so that a limit of zero does not cause a busy loop.
        let shortest = shortest.map(|limit| limit.max(Duration::from_millis(1)));
        let next = shortest.map(|limit| now + limit).into_iter().chain(due).min();
        let kill_at = now + self.settings.grace_period;
        let Some(worker) = self.workers.get_mut(id) else { return };
        if let Some((job, limit, _)) = overrun {
            worker.check_at = None;
            worker.phase = Phase::Killing(KillReason::JobTimedOut { job, limit, kill_at: Some(kill_at) });
            actions.extend([Action::Terminate(id), Action::WakeAt(kill_at)]);
        } else {
            worker.check_at = next;
            actions.extend(next.map(Action::WakeAt));
        }
    }

    /// Kills a worker that was to be ready, to terminate or to exit by now.
    fn check_end(&mut self, now: MonotonicInstant, id: WorkerId, actions: &mut Vec<Action>) {
        let stopping = self.kill_at.is_some_and(|at| at <= now);
        let Some(worker) = self.workers.get_mut(id) else { return };
        let due = match &mut worker.phase {
            Phase::Killing(KillReason::JobTimedOut { kill_at, .. })
                if stopping || kill_at.is_some_and(|at| at <= now) =>
            {
                kill_at.take().is_some()
            }
            Phase::Killing(_) => false,
            Phase::Retiring { by } if stopping || *by <= now => true,
            Phase::Starting | Phase::Serving if stopping => true,
            phase @ Phase::Starting if worker.check_at.is_some_and(|at| at <= now) => {
                *phase = Phase::Killing(KillReason::StartTimeout);
                true
            }
            _ => return,
        };
        if due {
            actions.push(Action::Kill(id));
            if !matches!(worker.phase, Phase::Killing(_)) {
                worker.phase = Phase::Killing(KillReason::Dismissed);
            }
        }
    }
}
