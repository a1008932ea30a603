//! The workers of a pool.

use std::collections::{BTreeMap, HashMap};

use job::{MonotonicInstant, WorkerId};

use crate::{
    Action,
    worker::{KillReason, Phase, Worker},
};

/// The workers of a pool, including those that are starting or exiting.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    workers: BTreeMap<WorkerId, Worker>,
    /// Generation of the next worker of each slot.
    generations: HashMap<u32, u32>,
    /// Number of times a worker became idle; the source of [`Worker::last_idle`].
    idle_count: u64,
}

impl Workers {
    /// Adds a worker that must be ready at `by`, in the first free slot.
    pub(crate) fn start(&mut self, by: MonotonicInstant, after_failures: bool) -> Option<WorkerId> {
        let taken = |slot: u32| self.workers.keys().any(|id| id.slot == slot);
        let slot = (0..).find(|&slot| !taken(slot))?;
        let generation = self.generations.entry(slot).or_default();
        let id = WorkerId { slot, generation: *generation };
        *generation += 1;
        self.workers.insert(id, Worker::starting(by, after_failures));
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

    /// Returns the number of workers in this phase.
    pub(crate) fn count(&self, phase: Phase) -> u64 {
        self.values().filter(|worker| worker.phase == phase).count() as u64
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
    }
}
