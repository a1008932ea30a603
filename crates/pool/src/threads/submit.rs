//! Submission of jobs with a future each.

use std::sync::Arc;

use job::Job;

use super::shared::ThreadShared;
use crate::{
    JobFuture, JobOptions, SubmitAsync, SubmitError, TrySubmitError,
    future::Control,
    pressure::{self, Permit, admit},
};

/// Submits a job, once there is room in the queue.
pub(super) fn submit<J: Job>(
    shared: &Arc<ThreadShared<J>>,
    control: &Arc<dyn Control>,
    job: J,
    options: JobOptions,
) -> Result<JobFuture<J>, SubmitError> {
    let permit = shared.gate.as_ref().map(|gate| admit(gate, 1, &**control, &shared.threads));
    submit_admitted(shared, control, (job, options), permit)
}

/// Submits a job if there is room in the queue.
pub(super) fn try_submit<J: Job>(
    shared: &Arc<ThreadShared<J>>,
    control: &Arc<dyn Control>,
    job: J,
    options: JobOptions,
) -> Result<JobFuture<J>, TrySubmitError<J>> {
    pressure::try_submit(shared.gate.as_ref(), job, |job, permit| {
        submit_admitted(shared, control, (job, options), permit)
    })
}

/// Submits a job if there is room in the queue; otherwise the future does it later.
pub(super) fn submit_async<'e, J: Job>(
    shared: &'e Arc<ThreadShared<J>>,
    control: &'e Arc<dyn Control>,
    job: J,
    options: JobOptions,
) -> SubmitAsync<'e, J> {
    pressure::submit_async(shared.gate.as_ref(), &**control, job, move |job, permit| {
        submit_admitted(shared, control, (job, options), permit)
    })
}

fn submit_admitted<J: Job>(
    shared: &Arc<ThreadShared<J>>,
    control: &Arc<dyn Control>,
    (job, options): (J, JobOptions),
    permit: Option<Permit>,
) -> Result<JobFuture<J>, SubmitError> {
    let slot = ThreadShared::submit(shared, control, (job, options), permit)?;
    Ok(JobFuture::new(slot, options))
}
