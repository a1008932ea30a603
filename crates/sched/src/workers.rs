//! The workers of a pool.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU64,
};

use job::{MonotonicInstant, WorkerId};

use crate::{
    Action,
    recycling::jobs_of_worker,
    worker::{KillReason, Phase, Worker},
};

/// The workers of a pool, including those that are starting or exiting.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    workers: BTreeMap<WorkerId, Worker>,
    /// Generation of the next worker of each slot.
    generations: HashMap<u32, u32>,
    /// The spare worker; its [`Worker::is_spare`] is set.
    spare: Option<WorkerId>,
    /// Number of times a worker became idle; the source of [`Worker::last_idle`].
    idle_count: u64,
}

impl Workers {
    /// Adds a worker that is started `now` and must be ready at `by`, in the first free slot. It is replaced
    /// after about `max_jobs` jobs.
    pub(crate) fn start(
        &mut self,
        (now, by): (MonotonicInstant, MonotonicInstant),
        after_failures: bool,
        max_jobs: Option<NonZeroU64>,
    ) -> Option<WorkerId> {
        let taken = |slot: u32| self.workers.keys().any(|id| id.slot == slot);
        let slot = (0..).find(|&slot| !taken(slot))?;
        let generation = self.generations.entry(slot).or_default();
        let id = WorkerId { slot, generation: *generation };
        *generation += 1;
        let worker = Worker::starting((now, by), after_failures, jobs_of_worker(max_jobs, id));
        self.workers.insert(id, worker);
        Some(id)
    }

    /// Kills a worker, unless it is being killed already.
    pub(crate) fn kill(&mut self, id: WorkerId, reason: KillReason, actions: &mut Vec<Action>) {
        if let Some(worker) = self.workers.get_mut(&id)
            && !matches!(worker.phase, Phase::Killing(_))
        {
            worker.phase = Phase::Killing(reason);
            worker.check_at = None;
            actions.push(Action::Kill(id));
        }
    }

    /// Kills a worker that is no longer needed.
    pub(crate) fn dismiss(&mut self, id: WorkerId, actions: &mut Vec<Action>) {
        self.kill(id, KillReason::Dismissed, actions);
    }

    /// Records that a worker has become idle; returns whether it exists.
    pub(crate) fn note_idle(&mut self, now: MonotonicInstant, id: WorkerId) -> bool {
        let Some(worker) = self.workers.get_mut(&id) else { return false };
        self.idle_count += 1;
        worker.last_idle = self.idle_count;
        worker.idle_since = now;
        worker.check_at = None;
        worker.stalled_since = None;
        true
    }

    pub(crate) fn remove(&mut self, id: WorkerId) -> Option<Worker> {
        self.spare = self.spare.filter(|&spare| spare != id);
        self.workers.remove(&id)
    }

    pub(crate) fn get(&self, id: WorkerId) -> Option<&Worker> {
        self.workers.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.workers.get_mut(&id)
    }

    /// Returns a worker that can be sent jobs or is running some.
    pub(crate) fn serving_mut(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.workers.get_mut(&id).filter(|worker| worker.phase == Phase::Serving)
    }

    pub(crate) fn len(&self) -> usize {
        self.workers.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// Returns the number of workers without the spare one.
    pub(crate) fn regular(&self) -> usize {
        self.len() - usize::from(self.spare.is_some())
    }

    /// Returns the number of workers in this phase, without the spare one.
    pub(crate) fn count(&self, phase: Phase) -> u64 {
        self.values().filter(|worker| worker.phase == phase && !worker.is_spare).count() as u64
    }

    /// Returns the spare worker.
    pub(crate) fn spare(&self) -> Option<WorkerId> {
        self.spare
    }

    /// Makes a worker the spare one, or a regular one.
    pub(crate) fn set_spare(&mut self, id: WorkerId, is_spare: bool) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.is_spare = is_spare;
            self.spare = is_spare.then_some(id);
        }
    }

    /// Returns the workers' ids in ascending order.
    pub(crate) fn ids(&self) -> Vec<WorkerId> {
        self.workers.keys().copied().collect()
    }

    /// Returns the workers in ascending order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (WorkerId, &Worker)> {
        self.workers.iter().map(|(&id, worker)| (id, worker))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (WorkerId, &mut Worker)> {
        self.workers.iter_mut().map(|(&id, worker)| (id, worker))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Worker> {
        self.workers.values()
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Worker> {
        self.workers.values_mut()
    }

    /// Checks the invariants of the ids; for tests.
    ///
    /// # Panics
    /// If an invariant is violated.
    pub(crate) fn check_ids(&self) {
        for id in self.workers.keys() {
            assert!(id.generation < self.generations[&id.slot], "{id}: generation not assigned yet");
        }
        let mut slots: Vec<u32> = self.workers.keys().map(|id| id.slot).collect();
        slots.dedup();
        assert_eq!(slots.len(), self.workers.len(), "two workers in one slot");
        let spares: Vec<WorkerId> = self.iter().filter(|(_, w)| w.is_spare).map(|(id, _)| id).collect();
        assert_eq!(spares, Vec::from_iter(self.spare), "wrong spare worker");
    }
}
