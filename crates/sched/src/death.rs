//! Handles failed starts and deaths of workers: retries, blame, and when the pool breaks.

use std::time::Duration;

use job::{BatchId, Death, JobId, JobRange, MonotonicInstant, WorkerId};

use crate::{
    Action, OnWorkerDeath, Sched, StartFailure, Verdict,
    backoff::backoff,
    fifo::{Grouping, JobSpan},
    state::Mode,
    worker::{InFlight, KillReason, Phase, Worker},
};

/// Number of deaths per worker slot that no job is blamed for, without any outcome in between, above which
/// the pool breaks.
const MAX_IDLE_DEATHS: u32 = 20;

/// The event of a worker's death; see [`Event::Died`](crate::Event::Died).
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkerExit {
    pub(crate) running: Option<(BatchId, u64)>,
    pub(crate) death: Death,
    pub(crate) out_of_memory: bool,
}

impl Sched {
    pub(crate) fn start_failed(
        &mut self,
        now: MonotonicInstant,
        id: WorkerId,
        failure: StartFailure,
        actions: &mut Vec<Action>,
    ) {
        let Some(worker) = self.workers.remove(id) else { return };
        if matches!(worker.phase, Phase::Killing(reason) if reason != KillReason::StartTimeout) {
            return;
        }
        self.starts.note_failure(now, failure);
        if self.starts.are_failing() && !self.workers.values().any(is_usable) {
            self.break_pool(actions);
        }
    }

    pub(crate) fn died(
        &mut self,
        now: MonotonicInstant,
        id: WorkerId,
        exit: WorkerExit,
        actions: &mut Vec<Action>,
    ) {
        // A death may be reported twice; the second report finds no worker.
        let Some(worker) = self.workers.remove(id) else { return };
        let expected = !matches!(
            worker.phase,
            Phase::Serving
                | Phase::Killing(KillReason::ProtocolError | KillReason::Stalled | KillReason::RssExceeded)
        );
        if worker.batches.is_empty() && expected {
            return;
        }
        self.has_lost_workers = true;
        if self.settings.on_worker_death == OnWorkerDeath::Break && !expected {
            self.abandon_all(worker, actions);
            return;
        }
        let accepts_retries = matches!(self.mode, Mode::Open | Mode::Closing);
        let blamed = blamed_job(&worker, exit).filter(|_| accepts_retries);
        let phase = worker.phase;
        let mut requeued = Vec::new();
        for span in remaining_jobs(worker, exit, blamed) {
            match blamed.filter(|&job| span.jobs.contains(job)) {
                None => requeued.push(span),
                Some(job) => {
                    let (before, rest) = span.jobs.split_at(job.0 - span.jobs.first().0);
                    requeued.extend(before.map(|jobs| JobSpan { jobs, ..span }));
                    let (suspect, after) = rest.map_or((None, None), |rest| rest.split_at(1));
                    if let Some(jobs) = suspect
                        && let Some(backoff) = self.charge(job, phase, exit, actions)
                    {
                        // Delayed, because the cause may be temporary, such as a lack of memory.
                        let suspect = JobSpan { jobs, grouping: Grouping::Isolated, ..span };
                        self.queue.delay(now + backoff, suspect);
                        actions.push(Action::WakeAt(now + backoff));
                    }
                    requeued.extend(after.map(|jobs| JobSpan { jobs, ..span }));
                }
            }
        }
        if blamed.is_none() {
            self.idle_deaths += 1;
        }
        if accepts_retries {
            self.requeue(requeued, actions);
        } else {
            requeued.iter().for_each(|span| self.cancel(span.jobs, actions));
        }
        if self.idle_deaths > MAX_IDLE_DEATHS * self.settings.max_workers {
            self.break_pool(actions);
        }
    }

    /// Charges a job with the death of its worker. Returns the backoff before its next attempt, or resolves
    /// it and returns `None` if it is not retried.
    fn charge(
        &mut self,
        job: JobId,
        phase: Phase,
        exit: WorkerExit,
        actions: &mut Vec<Action>,
    ) -> Option<Duration> {
        if self.jobs.is_kill_requested(job) {
            self.cancel(JobRange::single(job), actions);
            return None;
        }
        let max_retries = self.jobs.retries_of(job).unwrap_or(self.settings.retries);
        let failed = self.jobs.attempts_of(job);
        let verdict = if let Phase::Killing(KillReason::JobTimedOut { limit, .. }) = phase {
            failed.note_timeout();
            let (attempts, earlier) = (failed.count(), failed.of_other_causes(None));
            let is_last = failed.timeouts() > self.settings.timeout_retries;
            is_last.then_some(Verdict::TimedOut { limit, attempts, earlier })
        } else {
            let death = exit.death;
            failed.note_death(death);
            let (attempts, earlier) = (failed.count(), failed.of_other_causes(Some(death)));
            if exit.out_of_memory || phase == Phase::Killing(KillReason::RssExceeded) {
                // Not retried: it would need as much memory again.
                Some(Verdict::Memory { death, attempts, earlier })
            } else if self.settings.is_sandboxed && death.signal_name() == Some("SIGSYS") {
                // Not retried: it would do the same again.
                Some(Verdict::Denied { death, attempts, earlier })
            } else {
                let is_last = failed.deaths() > max_retries;
                is_last.then_some(Verdict::Crashed { death, attempts, earlier })
            }
        };
        let failures = failed.count();
        self.idle_deaths = 0;
        let Some(verdict) = verdict else {
            self.retried += 1;
            return Some(backoff(failures));
        };
        let jobs = JobRange::single(job);
        self.jobs.forget(jobs);
        actions.push(Action::Resolve { jobs, verdict });
        None
    }

    /// Implements [`OnWorkerDeath::Break`]: breaks the pool, abandons all jobs and kills all workers.
    fn abandon_all(&mut self, dead: Worker, actions: &mut Vec<Action>) {
        self.break_pool(actions);
        for span in dead.batches.into_iter().flat_map(|in_flight| in_flight.jobs) {
            self.cancel(span.jobs, actions);
        }
        self.workers.ids().into_iter().for_each(|id| self.workers.dismiss(id, actions));
    }
}

/// Returns the jobs that a dead worker had, in order.
///
/// If it had no memory to receive a batch, it is unknown which of the batch's jobs was too large: then each
/// of them gets a batch of its own.
fn remaining_jobs(worker: Worker, exit: WorkerExit, blamed: Option<JobId>) -> impl Iterator<Item = JobSpan> {
    let is_undecided = exit.out_of_memory && blamed.is_none();
    let isolated = worker.batches.front().filter(|_| is_undecided).map(|in_flight| in_flight.batch);
    worker.batches.into_iter().flat_map(move |in_flight| {
        let isolate = isolated == Some(in_flight.batch);
        in_flight.jobs.into_iter().map(move |span| match isolate {
            true => JobSpan { grouping: Grouping::Isolated, ..span },
            false => span,
        })
    })
}

/// Returns whether this worker keeps a pool whose starts fail from breaking: if only some workers can be
/// started, the pool goes on with those. A worker that was started after the failures does not count until it
/// is ready, since it may fail like those before it. Otherwise two slots whose replacements start alternately
/// would keep the pool unbroken forever.
fn is_usable(worker: &Worker) -> bool {
    match worker.phase {
        Phase::Serving => true,
        Phase::Starting => !worker.after_failures,
        Phase::Retiring { .. } | Phase::Killing(_) => false,
    }
}

/// Returns the job that a death is charged to: the one that exceeded its limit or was killed, the one that
/// was running, or the only job of the batch that the worker had no memory to receive.
fn blamed_job(worker: &Worker, exit: WorkerExit) -> Option<JobId> {
    if let Phase::Killing(KillReason::JobTimedOut { job, .. } | KillReason::JobKilled { job }) = worker.phase
    {
        return Some(job);
    }
    if exit.out_of_memory && exit.running.is_none() {
        return worker.batches.front().filter(|batch| batch.count() == 1)?.first_job();
    }
    let (batch, index) = exit.running?;
    let in_flight: &InFlight = worker.batches.iter().find(|in_flight| in_flight.batch == batch)?;
    in_flight.job_at(index)
}
