//! A task that waits to be admitted.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    gate::{Gate, Permit},
    waiter::Waiter,
};

/// Place of a task among those that wait to be admitted. If it is dropped, the task gives up.
pub(crate) struct AdmissionWait {
    gate: Arc<Gate>,
    waiter: Arc<Waiter>,
}

impl AdmissionWait {
    pub(super) fn new(gate: &Arc<Gate>, waiter: Arc<Waiter>) -> AdmissionWait {
        AdmissionWait { gate: gate.clone(), waiter }
    }

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
