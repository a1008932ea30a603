//! Ending before all is done: single jobs, or everything.

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
        let has_it = |worker: &Worker| worker.batches.iter().any(|batch| batch.contains(job));
        let found = self.workers.iter().find(|(_, worker)| has_it(worker));
        if let Some((&id, _)) = found {
            // One that is being killed for another reason takes this job along as well.
            self.condemned.insert(job);
            self.doom(id, KillReason::Called { job }, actions);
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
        let waiting: Vec<_> = self.queue.drain().collect();
        waiting.into_iter().for_each(|jobs| self.cancel(jobs, actions));
        // Those that are starting are let go as in any pool that takes no more jobs.
        for (&id, _) in self.workers.iter().filter(|(_, worker)| worker.phase == Phase::Serving) {
            // Halted as well: a job may know how to live through the signal.
            actions.push(Action::Halt(id));
            actions.extend(terminate.then_some(Action::Terminate(id)));
        }
        actions.push(Action::WakeAt(kill_at));
        self.tick(now, actions);
    }

    /// Resolves jobs that have no outcome and will get none.
    pub(crate) fn cancel(&mut self, jobs: JobRange, actions: &mut Vec<Action>) {
        self.forget(jobs);
        let verdict = if self.mode == Mode::Broken { Verdict::Abandoned } else { Verdict::Cancelled };
        actions.push(Action::Resolve { jobs, verdict });
    }
}
