//! Admitting jobs: at once, by blocking, or as a future.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    gate::{Gate, Permit},
    waiter::Waiter,
};
use crate::{callback::in_callback, future::Control, thread_group::ThreadGroup};

/// Admits jobs to an executor; blocks until there is room. On threads that must not wait for room, because
/// they may have to make it, jobs are admitted over the bound: in callbacks, and on the executor's `threads`.
pub(crate) fn admit(gate: &Arc<Gate>, jobs: usize, control: &dyn Control, threads: &ThreadGroup) -> Permit {
    if let Some(permit) = gate.try_admit(jobs as u64) {
        return permit;
    }
    if in_callback() || threads.contains_current() {
        return gate.admit_over_bound(jobs as u64);
    }
    admit_blocking(gate, jobs, control)
}

/// Admits jobs to an executor; blocks until there is room.
pub(crate) fn admit_blocking(gate: &Arc<Gate>, jobs: usize, control: &dyn Control) -> Permit {
    // The jobs that fill the queue may still be buffered.
    control.awaited();
    control.settle();
    match gate.enter(jobs as u64) {
        Ok(permit) => permit,
        Err(waiter) => Permit::new(gate, waiter.wait()),
    }
}

/// Admits one job if there is room.
pub(crate) fn try_admit(gate: &Arc<Gate>) -> Option<Permit> {
    gate.try_admit(1)
}

/// Admits one job, or returns what a task has to wait for.
pub(crate) fn admit_async(gate: &Arc<Gate>, control: &dyn Control) -> Result<Permit, AdmissionWait> {
    if let Some(permit) = gate.try_admit(1) {
        return Ok(permit);
    }
    control.awaited();
    control.settle();
    gate.enter(1).map_err(|waiter| AdmissionWait { gate: gate.clone(), waiter })
}

/// Place of a task among those that wait to be admitted. If it is dropped, the task gives up.
pub(crate) struct AdmissionWait {
    gate: Arc<Gate>,
    waiter: Arc<Waiter>,
}

impl AdmissionWait {
    /// Returns the permit, or registers the waker of the task.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Permit> {
        self.waiter.poll(context).map(|reserved| Permit::new(&self.gate, reserved))
    }
}

impl Drop for AdmissionWait {
    fn drop(&mut self) {
        self.gate.leave(&self.waiter);
    }
}
