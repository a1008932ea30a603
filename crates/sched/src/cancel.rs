//! Requeues, cancels and abandons jobs.

use job::{JobId, JobRange, WorkerId};

use crate::{
    Action, OnWorkerDeath, Sched, Verdict,
    fifo::JobSpan,
    state::Mode,
    worker::{KillReason, Phase, Worker},
};

impl Sched {
    pub(crate) fn cancelled(&mut self, jobs: JobRange, actions: &mut Vec<Action>) {
        for removed in self.queue.remove(jobs) {
            self.cancel(removed, actions);
        }
    }

    /// Python's executor assigns jobs to workers before they have started, and a program that was written for
    /// it expects that some jobs run although the executor is shut down at once.
    pub(crate) fn waiting_cancelled(&mut self, actions: &mut Vec<Action>) {
        let assigned = match self.settings.on_worker_death {
            OnWorkerDeath::Replace => 0,
            OnWorkerDeath::Break => self.workers.count(Phase::Starting),
        };
        self.queue.drain_after(assigned).into_iter().for_each(|jobs| self.cancel(jobs, actions));
    }

    pub(crate) fn killed(&mut self, job: JobId, actions: &mut Vec<Action>) {
        self.cancelled(JobRange::single(job), actions);
        let has_job = |worker: &Worker| worker.batches.iter().any(|batch| batch.contains(job));
        let assignee = self.workers.iter().find(|(_, worker)| has_job(worker));
        if let Some((id, _)) = assignee {
            // Needed even if the worker is already being killed for another reason: then the job is not
            // requeued.
            self.jobs.request_kill(job);
            self.workers.kill(id, KillReason::JobKilled { job }, actions);
        }
    }

    /// Resolves jobs that will have no outcome: as abandoned if the pool is broken, otherwise as cancelled.
    pub(crate) fn cancel(&mut self, jobs: JobRange, actions: &mut Vec<Action>) {
        self.jobs.forget(jobs);
        let verdict = if self.mode == Mode::Broken { Verdict::Abandoned } else { Verdict::Cancelled };
        actions.push(Action::Resolve { jobs, verdict });
    }

    /// Requeues jobs that a worker did not start, because it was halted or recalled; cancels them if no more
    /// jobs start.
    pub(crate) fn reclaim(&mut self, id: WorkerId, jobs: Vec<JobSpan>, actions: &mut Vec<Action>) {
        if matches!(self.mode, Mode::Stopping | Mode::Broken) {
            return jobs.into_iter().for_each(|span| self.cancel(span.jobs, actions));
        }
        if let Some(worker) = self.workers.get_mut(id) {
            worker.assigned -= jobs.iter().map(|span| span.jobs.count()).sum::<u64>();
        }
        self.requeue(jobs, actions);
    }

    /// Returns jobs of a worker to the front of the queue, and cancels those whose kill was requested.
    pub(crate) fn requeue(&mut self, jobs: Vec<JobSpan>, actions: &mut Vec<Action>) {
        self.queue.push_front(jobs);
        self.jobs.kill_requested().into_iter().for_each(|job| self.cancelled(JobRange::single(job), actions));
    }

    /// Breaks the pool, unless it is being stopped: queued jobs are abandoned, and so are later ones. Jobs in
    /// flight go on.
    pub(crate) fn break_pool(&mut self, actions: &mut Vec<Action>) {
        if self.mode == Mode::Stopping {
            return;
        }
        self.mode = Mode::Broken;
        self.queue.drain().into_iter().for_each(|jobs| self.cancel(jobs, actions));
    }
}
