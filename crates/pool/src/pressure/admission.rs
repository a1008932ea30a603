//! Admitting jobs: at once, by blocking, or as a future.

use std::sync::Arc;

use job::Job;

use super::{
    SubmitAsync, TrySubmitError,
    admission_wait::AdmissionWait,
    gate::{Gate, Permit},
    submit_async::Submitted,
};
use crate::{JobFuture, callback::in_callback, future::Control, thread_group::ThreadGroup};

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

/// Submits a job by this function if there is room. Without a gate there always is.
pub(crate) fn try_submit<J: Job>(
    gate: Option<&Arc<Gate>>,
    job: J,
    submit: impl FnOnce(J, Option<Permit>) -> Submitted<J>,
) -> Result<JobFuture<J>, TrySubmitError<J>> {
    let permit = match gate.map(|gate| gate.try_admit(1)) {
        None => None,
        Some(Some(permit)) => Some(permit),
        Some(None) => return Err(TrySubmitError::Full(job)),
    };
    Ok(submit(job, permit)?)
}

/// Submits a job by this function if there is room; otherwise the future does it later.
pub(crate) fn submit_async<'e, J: Job>(
    gate: Option<&Arc<Gate>>,
    control: &dyn Control,
    job: J,
    submit: impl FnOnce(J, Option<Permit>) -> Submitted<J> + Send + 'e,
) -> SubmitAsync<'e, J> {
    match gate.map(|gate| admit_async(gate, control)) {
        None => SubmitAsync::ready(submit(job, None)),
        Some(Ok(permit)) => SubmitAsync::ready(submit(job, Some(permit))),
        Some(Err(wait)) => SubmitAsync::waiting(wait, move |permit| submit(job, Some(permit))),
    }
}

/// Admits one job, or returns what a task has to wait for.
fn admit_async(gate: &Arc<Gate>, control: &dyn Control) -> Result<Permit, AdmissionWait> {
    if let Some(permit) = gate.try_admit(1) {
        return Ok(permit);
    }
    control.awaited();
    control.settle();
    gate.enter(1).map_err(|waiter| AdmissionWait::new(gate, waiter))
}
