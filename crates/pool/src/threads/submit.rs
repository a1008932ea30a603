//! Submission of jobs with a future each.

use std::sync::Arc;

use job::Job;

use super::shared::ThreadShared;
use crate::{
    JobFuture, JobOptions, SubmitAsync, SubmitError, TrySubmitError,
    future::Control,
    pressure::{Permit, admit, admit_async, try_admit},
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
    let permit = match &shared.gate {
        None => None,
        Some(gate) => match try_admit(gate) {
            Some(permit) => Some(permit),
            None => return Err(TrySubmitError::Full(job)),
        },
    };
    Ok(submit_admitted(shared, control, (job, options), permit)?)
}

/// Submits a job if there is room in the queue; otherwise the future does it later.
pub(super) fn submit_async<'e, J: Job>(
    shared: &'e Arc<ThreadShared<J>>,
    control: &'e Arc<dyn Control>,
    job: J,
    options: JobOptions,
) -> SubmitAsync<'e, J> {
    let permit = match &shared.gate {
        None => None,
        Some(gate) => match admit_async(gate, &**control) {
            Ok(permit) => Some(permit),
            Err(wait) => {
                return SubmitAsync::waiting(wait, move |permit| {
                    submit_admitted(shared, control, (job, options), Some(permit))
                });
            }
        },
    };
    SubmitAsync::ready(submit_admitted(shared, control, (job, options), permit))
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
