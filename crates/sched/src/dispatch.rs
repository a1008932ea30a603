//! Assigns queued jobs to workers; starts and retires workers.

use job::{BatchId, MonotonicInstant, WorkerId};

use crate::{
    Action, Sched,
    sizing::MAX_BYTES,
    state::Mode,
    worker::{InFlight, Phase, Worker},
};

impl Sched {
    /// Sends batches and starts workers until the queue is empty or no worker is available.
    pub(crate) fn dispatch(&mut self, now: MonotonicInstant, actions: &mut Vec<Action>) {
        if !matches!(self.mode, Mode::Open | Mode::Closing) || self.is_paused() || self.is_held() {
            return;
        }
        while self.queue.count() > 0 && self.may_start(now, actions) {
            if let Some(worker) = self.most_recently_idle() {
                self.send(now, worker, actions);
            } else if !self.start(now, actions) {
                let Some(worker) = self.worker_with_open_window() else { return };
                self.send(now, worker, actions);
            }
        }
    }

    /// Removes workers in excess of `max_workers` after a resize: first those that are starting, then those
    /// that have been idle longest. Further ones are removed when they become idle.
    pub(crate) fn scale_down(&mut self, now: MonotonicInstant, actions: &mut Vec<Action>) {
        for _ in 0..self.excess_workers() {
            let starting = self.workers.iter().find(|(_, worker)| worker.phase == Phase::Starting);
            if let Some((id, _)) = starting {
                self.workers.dismiss(id, actions);
                continue;
            }
            let idle = self.workers.iter().filter(|(_, worker)| worker.is_idle());
            let Some((id, _)) = idle.min_by_key(|(_, worker)| worker.last_idle) else { return };
            self.retire(now, id, actions);
        }
    }

    /// Returns the number of workers in excess of `max_workers`, without those that are exiting.
    fn excess_workers(&self) -> u64 {
        let staying = self.workers.count(Phase::Starting) + self.workers.count(Phase::Serving);
        staying.saturating_sub(u64::from(self.settings.max_workers))
    }

    fn retire(&mut self, now: MonotonicInstant, id: WorkerId, actions: &mut Vec<Action>) {
        if let Some(worker) = self.workers.get_mut(id) {
            let by = now + self.settings.exit_timeout;
            worker.phase = Phase::Retiring { by };
            actions.extend([Action::Retire(id), Action::WakeAt(by)]);
        }
    }

    /// Retires idle workers that have reached a limit or are no longer needed, and dismisses starting ones if
    /// the pool is finishing.
    pub(crate) fn release(&mut self, now: MonotonicInstant, actions: &mut Vec<Action>) {
        let all = match self.mode {
            Mode::Open => false,
            Mode::Closing => self.queue.total() == 0 && self.workers.values().all(|w| w.batches.is_empty()),
            Mode::Stopping | Mode::Broken => true,
        };
        let settings = &self.settings;
        let limited = settings.max_jobs_per_worker.is_some()
            || settings.idle_timeout.is_some()
            || settings.recycle_rss.is_some();
        if !all && !limited {
            return;
        }
        for id in self.workers.ids() {
            let Some(worker) = self.workers.get(id) else { continue };
            let is_unused = worker.phase == Phase::Serving && worker.batches.is_empty();
            let is_used_up = worker.is_recycled || worker.quota_left() == 0;
            if is_unused && (all || is_used_up || self.is_idle_too_long(now, worker)) {
                self.retire(now, id, actions);
            } else if all && worker.phase == Phase::Starting {
                self.workers.dismiss(id, actions);
            }
        }
    }

    fn is_idle_too_long(&self, now: MonotonicInstant, worker: &Worker) -> bool {
        // A spare worker is needed as long as others have jobs.
        let is_needed = || worker.is_spare && self.busy_workers() > 0;
        self.settings.idle_timeout.is_some_and(|time| worker.idle_since + time <= now) && !is_needed()
    }

    fn most_recently_idle(&self) -> Option<WorkerId> {
        let idle = self.workers.iter().filter(|(_, worker)| worker.is_idle() && worker.accepts_jobs());
        idle.max_by_key(|(_, worker)| worker.last_idle).map(|(id, _)| id)
    }

    /// Returns a busy worker whose window has room for another batch. Returns `None` while few jobs are
    /// queued or workers are starting, because assigned jobs are not available to other workers.
    fn worker_with_open_window(&self) -> Option<WorkerId> {
        let scarce = self.queue.count() < 2 * self.workers.count(Phase::Serving);
        let waits_for_worker = self.workers.count(Phase::Starting) > 0 || self.excess_workers() > 0;
        if scarce || waits_for_worker || self.spaces_starts() {
            return None;
        }
        let window = self.sizing.window();
        let open = self.workers.iter().filter(|(_, worker)| {
            worker.phase == Phase::Serving && worker.batches.len() < window && worker.accepts_jobs()
        });
        open.min_by_key(|(_, worker)| worker.batches.len()).map(|(id, _)| id)
    }

    /// Starts a worker if more jobs are queued than workers are starting, the backoff is over, and a slot is
    /// free. If starts of jobs are spaced, starts one worker at a time. Returns whether it did.
    fn start(&mut self, now: MonotonicInstant, actions: &mut Vec<Action>) -> bool {
        let starting = self.workers.count(Phase::Starting);
        if self.queue.count() <= starting || (self.spaces_starts() && starting > 0) {
            return false;
        }
        if now < self.starts.next() {
            actions.push(Action::WakeAt(self.starts.next()));
            return false;
        }
        self.start_one(now, actions)
    }

    /// Starts workers up to the maximum.
    pub(crate) fn prestart(&mut self, now: MonotonicInstant, actions: &mut Vec<Action>) {
        while self.mode == Mode::Open && self.start_one(now, actions) {}
    }

    /// Starts a worker if a slot is free; returns whether it did.
    fn start_one(&mut self, now: MonotonicInstant, actions: &mut Vec<Action>) -> bool {
        self.has_free_slot() && self.start_in_any_slot(now, actions).is_some()
    }

    /// Starts a worker, whatever the number of workers.
    pub(crate) fn start_in_any_slot(
        &mut self,
        now: MonotonicInstant,
        actions: &mut Vec<Action>,
    ) -> Option<WorkerId> {
        let by = now + self.settings.start_timeout;
        let max_jobs = self.settings.max_jobs_per_worker;
        let id = self.workers.start((now, by), self.starts.are_failing(), max_jobs)?;
        actions.extend([Action::Start(id), Action::WakeAt(by)]);
        Some(id)
    }

    fn send(&mut self, now: MonotonicInstant, id: WorkerId, actions: &mut Vec<Action>) {
        let sharing = u64::from(self.settings.max_workers);
        let check_period = self.check_period();
        let Some(worker) = self.workers.get_mut(id) else { return };
        let quota = worker.quota_left();
        let (sizing, is_single) = (&self.sizing, !self.settings.start_delay.is_zero());
        let size = |queued| if is_single { 1 } else { sizing.batch_size(queued, sharing) };
        let jobs = self.queue.take(size, quota, MAX_BYTES);
        let batch = BatchId(self.next_batch);
        self.next_batch += 1;

        let shortest = self.jobs.least_limit(&jobs);
        let limits_rss = self.jobs.limit_rss(&jobs);
        if let Some(shortest) = shortest {
            let check = now + shortest;
            worker.check_at = Some(worker.check_at.map_or(check, |earlier| earlier.min(check)));
            actions.push(Action::WakeAt(check));
        }
        if worker.batches.is_empty() {
            worker.since = now;
            actions.push(Action::WakeAt(now + check_period));
        } else if limits_rss {
            // The check that is due may be later, because the size was not limited when it was scheduled.
            actions.push(Action::WakeAt(now + check_period));
        }
        let timed = shortest.is_some() || limits_rss;
        let in_flight = InFlight { batch, jobs, returned: 0, collected: 0, timed };
        worker.assigned += in_flight.count();
        actions.push(Action::Send {
            worker: id,
            batch,
            jobs: in_flight.jobs.iter().map(|span| span.jobs).collect(),
            timed: in_flight.timed,
        });
        worker.batches.push_back(in_flight);
        self.note_start(now);
    }
}
