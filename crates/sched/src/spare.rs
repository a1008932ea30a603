//! The spare worker: one that is kept ready while starts are slow, so that a worker that leaves is replaced
//! at once.
//!
//! It is started in addition to `max_workers` and assigned no jobs. When fewer workers than `max_workers` can
//! run jobs, it takes the place of the missing one, and another spare worker is started. A worker that was
//! killed counts until its exit is reported, because its job may still be running: there are never more jobs
//! running than `max_workers`. A retired worker runs no job and does not count.

use job::{MonotonicInstant, WorkerId};

use crate::{
    Action, Sched,
    state::Mode,
    worker::{Phase, Worker},
};

impl Sched {
    /// Lets the spare worker replace one that has just been retired; starts another spare worker if needed.
    pub(crate) fn keep_spare(&mut self, now: MonotonicInstant, actions: &mut Vec<Action>) {
        if self.promote_spare() {
            self.dispatch(now, actions);
        }
        if self.needs_spare(now)
            && let Some(id) = self.start_in_any_slot(now, actions)
        {
            self.workers.set_spare(id, true);
        }
    }

    /// Lets the spare worker take the place of a missing one; returns whether it did.
    pub(crate) fn promote_spare(&mut self) -> bool {
        let Some(id) = self.workers.spare() else { return false };
        let holds_place =
            |worker: &&Worker| !worker.is_spare && !matches!(worker.phase, Phase::Retiring { .. });
        let places = self.workers.values().filter(holds_place).count();
        let is_usable = |worker: &Worker| matches!(worker.phase, Phase::Starting | Phase::Serving);
        let is_needed =
            places < self.settings.max_workers as usize && self.workers.get(id).is_some_and(is_usable);
        if is_needed {
            self.workers.set_spare(id, false);
        }
        is_needed
    }

    /// Returns whether a spare worker should be started: a replacement is likely to be needed, all places are
    /// taken, and no idle worker could take over the jobs of one that leaves.
    fn needs_spare(&self, now: MonotonicInstant) -> bool {
        let settings = &self.settings;
        let is_slow = settings.spare_above.is_some_and(|limit| self.start_times.are_above(limit));
        let is_likely = || {
            self.has_lost_workers || settings.max_jobs_per_worker.is_some() || settings.recycle_rss.is_some()
        };
        is_slow
            && is_likely()
            && matches!(self.mode, Mode::Open | Mode::Closing)
            && !self.is_paused()
            && self.workers.len() == settings.max_workers as usize
            && self.workers.spare().is_none()
            && self.workers.values().all(|worker| !worker.batches.is_empty())
            && (self.mode == Mode::Open || self.queue.total() > 0)
            && !self.starts.are_failing()
            && self.starts.next() <= now
    }

    /// Records that a worker that was started has become ready.
    pub(crate) fn note_started(&mut self, now: MonotonicInstant, id: WorkerId) {
        if let Some(worker) = self.workers.get(id) {
            self.start_times.note(now.since(worker.started_at));
        }
    }
}
