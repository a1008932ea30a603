//! Cancellation of single jobs, closing and stopping the pool.

use std::time::Duration;

use job::{JobId, JobRange, MonotonicInstant};

use crate::{
    Action, Sched, Verdict,
    state::Mode,
    worker::{KillReason, Phase, Worker},
};

impl Sched {
    pub(crate) fn cancelled(&mut self, jobs: JobRange, actions: &mut Vec<Action>) {
        for removed in self.queue.remove(jobs) {
            self.cancel(removed, actions);
        }
    }

    pub(crate) fn killed(&mut self, job: JobId, actions: &mut Vec<Action>) {
        self.cancelled(JobRange::one(job), actions);
        let has_job = |worker: &Worker| worker.batches.iter().any(|batch| batch.contains(job));
        let assignee = self.workers.iter().find(|(_, worker)| has_job(worker));
        if let Some((&id, _)) = assignee {
            // Needed even if the worker is already being killed for another reason: then the job is not
            // requeued.
            self.kill_requested.insert(job);
            self.kill_worker(id, KillReason::JobKilled { job }, actions);
        }
    }

    pub(crate) fn closed(&mut self) {
        if self.mode == Mode::Open {
            self.mode = Mode::Closing;
        }
    }

    pub(crate) fn stopped(
        &mut self,
        now: MonotonicInstant,
        grace: Duration,
        terminate: bool,
        actions: &mut Vec<Action>,
    ) {
        let kill_at = self.kill_at.map_or(now + grace, |earlier| earlier.min(now + grace));
        self.kill_at = Some(kill_at);
        if self.mode != Mode::Broken {
            self.mode = Mode::Stopping;
        }
        let queued: Vec<_> = self.queue.drain().collect();
        queued.into_iter().for_each(|jobs| self.cancel(jobs, actions));
        // Workers that are starting are dismissed by `release`, as in any pool that accepts no more jobs.
        for (&id, _) in self.workers.iter().filter(|(_, worker)| worker.phase == Phase::Serving) {
            // Halted even if it is sent SIGTERM: a job may handle the signal and continue.
            actions.push(Action::Halt(id));
            actions.extend(terminate.then_some(Action::Terminate(id)));
        }
        actions.push(Action::WakeAt(kill_at));
        self.tick(now, actions);
    }

    /// Resolves jobs that will have no outcome: as abandoned if the pool is broken, otherwise as cancelled.
    pub(crate) fn cancel(&mut self, jobs: JobRange, actions: &mut Vec<Action>) {
        self.forget(jobs);
        let verdict = if self.mode == Mode::Broken { Verdict::Abandoned } else { Verdict::Cancelled };
        actions.push(Action::Resolve { jobs, verdict });
    }
}
