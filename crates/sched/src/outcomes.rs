//! Delivers outcomes of jobs: those that a worker has returned, and those that were recovered from a dead
//! one.

use job::{BatchId, JobRange, MonotonicInstant, WorkerId};

use crate::{
    Action, Sched,
    worker::{InFlight, KillReason, Phase},
};

impl Sched {
    /// Delivers outcomes of a batch. Returns false if the worker does not have this batch, or not that many
    /// jobs of it.
    pub(crate) fn returned(
        &mut self,
        now: MonotonicInstant,
        id: WorkerId,
        (batch, outcomes, last): (BatchId, u64, bool),
        actions: &mut Vec<Action>,
    ) -> bool {
        let halted = self.kill_at.is_some();
        let Some(worker) = self.workers.get_mut(id) else { return false };
        if last && outcomes == 0 && worker.forget_emptied(batch) {
            return true;
        }
        let may_be_short = halted || batch < worker.recalled;
        let plausible = |outcomes: u64, count: u64| match last {
            true => outcomes == count || (may_be_short && outcomes < count),
            // The worker does not know that the jobs after these were taken back.
            false => (1..count).contains(&outcomes) || (may_be_short && count > 0 && outcomes == count),
        };
        let is_valid = |in_flight: &InFlight| {
            let new = outcomes.checked_sub(in_flight.collected);
            in_flight.batch == batch && new.is_some_and(|new| plausible(new, in_flight.count()))
        };
        let Some(position) = worker.batches.iter().position(is_valid) else {
            // A protocol error of a worker that is exiting anyway has no consequences.
            let serves = worker.phase == Phase::Serving;
            self.workers.kill(
                id,
                if serves { KillReason::ProtocolError } else { KillReason::Dismissed },
                actions,
            );
            return false;
        };
        let in_flight = &mut worker.batches[position];
        let new = outcomes - std::mem::take(&mut in_flight.collected);
        let delivered: Vec<JobRange> = in_flight.take_first(new).iter().map(|span| span.jobs).collect();
        let ended = if last { worker.batches.remove(position) } else { None };
        if !last && worker.batches[position].count() == 0 {
            worker.note_emptied(position);
        }
        (worker.seen, worker.since) = (None, now);
        if worker.batches.is_empty() {
            self.became_idle(now, id, actions);
        }
        self.idle_deaths = 0;
        delivered.iter().for_each(|&jobs| self.jobs.forget(jobs));
        actions.push(Action::Deliver(delivered));
        self.reclaim(id, ended.map_or_else(Vec::new, |batch| batch.jobs), actions);
        true
    }

    /// Delivers the outcomes that were recovered from a dead worker.
    pub(crate) fn deliver_recovered(
        &mut self,
        id: WorkerId,
        recovered: Option<(BatchId, u64)>,
        actions: &mut Vec<Action>,
    ) {
        let (Some((batch, outcomes)), Some(worker)) = (recovered, self.workers.get_mut(id)) else { return };
        // A larger number of outcomes than jobs means that the crash corrupted the worker's memory.
        let is_valid = |in_flight: &&mut InFlight| in_flight.batch == batch && outcomes <= in_flight.count();
        let Some(in_flight) = worker.batches.iter_mut().find(is_valid) else { return };
        let delivered: Vec<JobRange> = in_flight.take_first(outcomes).iter().map(|span| span.jobs).collect();
        worker.batches.retain(|in_flight| in_flight.count() > 0);
        delivered.iter().for_each(|&jobs| self.jobs.forget(jobs));
        self.idle_deaths = 0;
        actions.push(Action::Deliver(delivered));
    }

    /// Records that a worker has become idle.
    pub(crate) fn became_idle(&mut self, now: MonotonicInstant, id: WorkerId, actions: &mut Vec<Action>) {
        if self.workers.note_idle(now, id) {
            actions.extend(self.settings.idle_timeout.map(|time| Action::WakeAt(now + time)));
            let check = self.workers.get(id).and_then(|worker| self.next_idle_check(worker));
            actions.extend(check.map(Action::WakeAt));
        }
    }
}
