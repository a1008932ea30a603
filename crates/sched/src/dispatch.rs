//! Who gets the next jobs, and who is started for them.

use job::{BatchId, MonotonicInstant, WorkerId};

use crate::{
    Action, Sched,
    sizing::MOST_BYTES,
    state::Mode,
    worker::{InFlight, Phase, Worker},
};

impl Sched {
    /// Sends and starts until nothing more can be done for the queue.
    pub(crate) fn dispatch(&mut self, now: MonotonicInstant, actions: &mut Vec<Action>) {
        if !matches!(self.mode, Mode::Open | Mode::Closing) || self.is_paused() {
            return;
        }
        while self.queue.count() > 0 {
            if let Some(worker) = self.warmest_idle() {
                self.send(now, worker, actions);
            } else if !self.start(now, actions) {
                let Some(worker) = self.with_room_to_spare() else { return };
                self.send(now, worker, actions);
            }
        }
    }

    /// Lets workers go that are too many since a resize: starting ones first, then the coldest of the idle. Where more
    /// have to go, those do that run out of work first.
    pub(crate) fn shed(&mut self, now: MonotonicInstant, actions: &mut Vec<Action>) {
        for _ in 0..self.surplus() {
            let starting = self.workers.iter().find(|(_, worker)| worker.phase == Phase::Starting);
            if let Some((&id, _)) = starting {
                self.dismiss(id, actions);
                continue;
            }
            let idle = self.workers.iter().filter(|(_, worker)| worker.is_idle());
            let Some((&id, _)) = idle.min_by_key(|(_, worker)| worker.last_idle) else { return };
            self.retire(now, id, actions);
        }
    }

    /// How many workers there are beyond the most that there may be, not counting those that are about to go.
    fn surplus(&self) -> u64 {
        let staying = self.count(Phase::Starting) + self.count(Phase::Serving);
        staying.saturating_sub(u64::from(self.settings.max_workers))
    }

    fn retire(&mut self, now: MonotonicInstant, id: WorkerId, actions: &mut Vec<Action>) {
        if let Some(worker) = self.workers.get_mut(&id) {
            let by = now + self.settings.exit_timeout;
            worker.phase = Phase::Leaving { by };
            actions.extend([Action::Retire(id), Action::WakeAt(by)]);
        }
    }

    /// Lets workers go that have served their time or are not needed any more.
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
        let ids: Vec<WorkerId> = self.workers.keys().copied().collect();
        for id in ids {
            let worker = &self.workers[&id];
            if worker.is_idle() && (all || !self.may_get_more(worker) || self.idle_too_long(now, worker)) {
                self.retire(now, id, actions);
            } else if all && worker.phase == Phase::Starting {
                self.dismiss(id, actions);
            }
        }
    }

    fn idle_too_long(&self, now: MonotonicInstant, worker: &Worker) -> bool {
        self.settings.idle_timeout.is_some_and(|time| worker.idle_since + time <= now)
    }

    fn warmest_idle(&self) -> Option<WorkerId> {
        let idle = self.workers.iter().filter(|(_, worker)| worker.is_idle() && self.may_get_more(worker));
        idle.max_by_key(|(_, worker)| worker.last_idle).map(|(&id, _)| id)
    }

    /// A busy worker that may have a further batch at hand: only while there is plenty for all, and nobody who is
    /// about to be ready for it, because what a worker has cannot be given to others.
    fn with_room_to_spare(&self) -> Option<WorkerId> {
        let scarce = self.queue.count() < 2 * self.count(Phase::Serving);
        if scarce || self.count(Phase::Starting) > 0 || self.surplus() > 0 {
            return None;
        }
        let window = self.sizing.window();
        let open = self.workers.iter().filter(|(_, worker)| {
            worker.phase == Phase::Serving && worker.batches.len() < window && self.may_get_more(worker)
        });
        open.min_by_key(|(_, worker)| worker.batches.len()).map(|(&id, _)| id)
    }

    fn may_get_more(&self, worker: &Worker) -> bool {
        !worker.is_recycled && quota_left(worker, self.settings.max_jobs_per_worker) > 0
    }

    fn count(&self, phase: Phase) -> u64 {
        self.workers.values().filter(|worker| worker.phase == phase).count() as u64
    }

    /// Starts a worker, if there are more jobs than workers on their way and a place is free.
    fn start(&mut self, now: MonotonicInstant, actions: &mut Vec<Action>) -> bool {
        if self.queue.count() <= self.count(Phase::Starting) {
            return false;
        }
        if now < self.next_start {
            actions.push(Action::WakeAt(self.next_start));
            return false;
        }
        self.start_one(now, actions)
    }

    /// Starts all workers that there may be.
    pub(crate) fn prestart(&mut self, now: MonotonicInstant, actions: &mut Vec<Action>) {
        while self.mode == Mode::Open && self.start_one(now, actions) {}
    }

    /// Starts a worker, if a place is free.
    fn start_one(&mut self, now: MonotonicInstant, actions: &mut Vec<Action>) -> bool {
        if !self.has_free_place() {
            return false;
        }
        let taken = |slot: u32| self.workers.keys().any(|id| id.slot == slot);
        let Some(slot) = (0..).find(|&slot| !taken(slot)) else { return false };
        let generation = self.generations.entry(slot).or_default();
        let id = WorkerId { slot, generation: *generation };
        *generation += 1;
        let by = now + self.settings.start_timeout;
        self.workers.insert(id, Worker::starting(by, self.starts_fail));
        actions.extend([Action::Start(id), Action::WakeAt(by)]);
        true
    }

    fn send(&mut self, now: MonotonicInstant, id: WorkerId, actions: &mut Vec<Action>) {
        let sharing = u64::from(self.settings.max_workers);
        let look = self.look_every();
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let quota = quota_left(worker, self.settings.max_jobs_per_worker);
        let size = self.sizing.batch_size(self.queue.count(), sharing);
        let jobs = self.queue.take(size, quota, MOST_BYTES);
        let batch = BatchId(self.next_batch);
        self.next_batch += 1;

        let limit = self.settings.limit;
        let shortest = match self.limits.is_empty() {
            true => limit,
            false => {
                let own =
                    jobs.iter().flat_map(|w| w.jobs.iter()).filter_map(|job| self.limits.get(&job).copied());
                own.chain(limit).min()
            }
        };
        if let Some(shortest) = shortest {
            let check = now + shortest;
            worker.check_at = Some(worker.check_at.map_or(check, |earlier| earlier.min(check)));
            actions.push(Action::WakeAt(check));
        }
        if worker.batches.is_empty() {
            worker.since = now;
            actions.push(Action::WakeAt(now + look));
        }
        let in_flight = InFlight { batch, jobs, returned: 0, timed: shortest.is_some() };
        worker.assigned += in_flight.count();
        actions.push(Action::Send {
            worker: id,
            batch,
            jobs: in_flight.jobs.iter().map(|waiting| waiting.jobs).collect(),
            timed: in_flight.timed,
        });
        worker.batches.push_back(in_flight);
    }
}

/// How many more jobs the worker may be given.
fn quota_left(worker: &Worker, quota: Option<std::num::NonZeroU64>) -> u64 {
    quota.map_or(u64::MAX, |most| most.get().saturating_sub(worker.assigned))
}
