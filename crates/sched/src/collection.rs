//! Outcomes that a worker holds back while it runs a later job of the same batch.
//!
//! A worker sends the outcomes of a batch together at its end. If one of the jobs takes long, the outcomes of
//! those before it would wait for it, and with them whatever depends on them. They are in memory that the
//! parent can read. So the parent collects them from workers that have been busy with a batch of several jobs
//! for [`COLLECT_INTERVAL`].
//!
//! The worker does not know which outcomes were collected: its next message contains them again. Therefore
//! their number is stored with the batch ([`InFlight::collected`](crate::worker::InFlight)) and subtracted
//! from that message.

use std::time::Duration;

use job::{BatchId, JobRange, MonotonicInstant, WorkerId};

use crate::{
    Action, Sched,
    worker::{InFlight, Phase, Worker},
};

/// Time that a finished outcome may be held back, and interval at which outcomes are collected: several times
/// the target run time of a batch, so that most batches have returned before.
const COLLECT_INTERVAL: Duration = Duration::from_millis(5);

impl Sched {
    /// Returns when to collect outcomes next, if a worker may hold some back until then.
    #[must_use]
    pub fn next_collection(&self, now: MonotonicInstant) -> Option<MonotonicInstant> {
        let due = |worker: &Worker| match worker.since + COLLECT_INTERVAL {
            due if due > now => due,
            _ => now + COLLECT_INTERVAL,
        };
        let holding = self.workers.values().filter(|worker| may_hold_outcomes(worker)).map(due).min();
        holding.filter(|_| !self.is_paused())
    }

    /// Returns the workers whose finished outcomes are to be collected now: those that have been busy for
    /// long with a batch of several jobs.
    pub fn workers_to_collect_from(&self, now: MonotonicInstant) -> impl Iterator<Item = WorkerId> {
        let is_due =
            move |worker: &Worker| may_hold_outcomes(worker) && worker.since + COLLECT_INTERVAL <= now;
        self.workers.iter().filter(move |(_, worker)| is_due(worker)).map(|(id, _)| id)
    }

    /// Returns the number of outcomes of a batch that were collected since the worker last sent some of it.
    /// The worker's next message begins with them.
    #[must_use]
    pub fn collected(&self, worker: WorkerId, batch: BatchId) -> u64 {
        let batches = self.workers.get(worker).map(|worker| &worker.batches);
        let found = batches.and_then(|all| all.iter().find(|in_flight| in_flight.batch == batch));
        found.map_or(0, |in_flight| in_flight.collected)
    }

    /// Delivers collected outcomes. The last job of the batch keeps waiting for the worker's message, which
    /// ends the batch.
    pub(crate) fn deliver_collected(
        &mut self,
        id: WorkerId,
        (batch, outcomes): (BatchId, u64),
        actions: &mut Vec<Action>,
    ) {
        let Some(worker) = self.workers.serving_mut(id) else { return };
        // A larger number of outcomes than jobs means that the worker's memory is corrupt.
        let is_valid = |in_flight: &&mut InFlight| in_flight.batch == batch && outcomes <= in_flight.count();
        let Some(in_flight) = worker.batches.iter_mut().find(is_valid) else { return };
        let outcomes = outcomes.min(in_flight.count() - 1);
        if outcomes == 0 {
            return;
        }
        in_flight.collected += outcomes;
        let delivered: Vec<JobRange> = in_flight.take_first(outcomes).iter().map(|span| span.jobs).collect();
        delivered.iter().for_each(|&jobs| self.jobs.forget(jobs));
        self.idle_deaths = 0;
        actions.push(Action::Deliver(delivered));
    }
}

/// Returns whether a worker may have finished a job whose outcome it sends only after a later job.
fn may_hold_outcomes(worker: &Worker) -> bool {
    worker.phase == Phase::Serving && worker.batches.iter().any(|in_flight| in_flight.count() > 1)
}
