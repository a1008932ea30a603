//! Submission of jobs with a future each.

use std::{sync::Arc, time::Duration};

use job::{Job, JobId, JobRange};
use sched::Event;

use super::{
    block::{Block, OutcomeTarget},
    flush::{flush, on_push},
    help::help,
    shared::ProcessShared,
    submit_buffer::FlushHint,
    transaction::{apply, try_submit_block},
};
use crate::{
    JobFuture, JobOptions, SubmitAsync, SubmitError, TrySubmitError,
    future::{Control, Slot, Slots, Ticket},
    pressure::{self, Permit, admit, admit_blocking},
};

/// Submits a job, once there is room in the queue.
pub(crate) fn submit<J: Job>(
    shared: &Arc<ProcessShared<J>>,
    control: &Arc<dyn Control>,
    job: &J,
    options: JobOptions,
) -> Result<JobFuture<J>, SubmitError> {
    let permit = shared.gate.as_ref().map(|gate| admit(gate, 1, &**control, &shared.threads));
    submit_admitted(shared, control, job, options, permit)
}

/// Like [`submit`], for the thread of the pool that encodes jobs: waits for room, since nothing in the pool
/// depends on that thread.
pub(super) fn submit_waiting<J: Job>(
    shared: &Arc<ProcessShared<J>>,
    control: &Arc<dyn Control>,
    job: &J,
    options: JobOptions,
) -> Result<JobFuture<J>, SubmitError> {
    let permit = shared.gate.as_ref().map(|gate| admit_blocking(gate, 1, &**control));
    submit_admitted(shared, control, job, options, permit)
}

/// Submits a job if there is room in the queue.
pub(crate) fn try_submit<J: Job>(
    shared: &Arc<ProcessShared<J>>,
    control: &Arc<dyn Control>,
    job: J,
    options: JobOptions,
) -> Result<JobFuture<J>, TrySubmitError<J>> {
    pressure::try_submit(shared.gate.as_ref(), job, |job, permit| {
        submit_admitted(shared, control, &job, options, permit)
    })
}

/// Submits a job if there is room in the queue; otherwise the future does it later.
pub(crate) fn submit_async<'e, J: Job>(
    shared: &'e Arc<ProcessShared<J>>,
    control: &'e Arc<dyn Control>,
    job: J,
    options: JobOptions,
) -> SubmitAsync<'e, J> {
    pressure::submit_async(shared.gate.as_ref(), &**control, job, move |job, permit| {
        submit_admitted(shared, control, &job, options, permit)
    })
}

/// Submits a job that was admitted. It is sent when a worker has capacity. If it cannot be encoded, the
/// future is already resolved with that error.
fn submit_admitted<J: Job>(
    shared: &Arc<ProcessShared<J>>,
    control: &Arc<dyn Control>,
    job: &J,
    options: JobOptions,
    permit: Option<Permit>,
) -> Result<JobFuture<J>, SubmitError> {
    let buffer = &shared.submit_buffer;
    match buffer.push_with_slot(shared.spawn_config.codec, (job, options), control, permit) {
        Some((slot, hint)) => {
            match hint {
                FlushHint::NotAdded => shared.outcome_counts.add_unencodable(1),
                FlushHint::Now | FlushHint::Later => {
                    on_push(shared, buffer, hint, options.get_priority());
                }
            }
            Ok(JobFuture::new(slot, options))
        }
        None => Err(shared.submit_error().unwrap_or(SubmitError::Closed)),
    }
}

/// Submits jobs that go into one batch. Futures of jobs that cannot be encoded are already resolved with that
/// error.
pub(crate) fn submit_together<J: Job>(
    shared: &Arc<ProcessShared<J>>,
    control: &Arc<dyn Control>,
    jobs: &[J],
    options: JobOptions,
) -> Result<Vec<JobFuture<J>>, SubmitError> {
    let permit = shared.gate.as_ref().map(|gate| admit(gate, jobs.len(), &**control, &shared.threads));
    let slots = Slots::new(jobs.len(), Some(control.clone()));
    let futures = (0..jobs.len()).map(|index| JobFuture::new(Slot::new(&slots, index), options)).collect();
    let (mut block, mut failed) = (Block::new(OutcomeTarget::Slots(slots.clone())), 0);
    for (index, job) in (0..).zip(jobs) {
        if let Err(failure) = block.add(shared.spawn_config.codec, index, job, options) {
            slots.fill(index, Err(failure));
            failed += 1;
        }
    }
    try_submit_block(shared, block, jobs.len() > 1, permit)?;
    shared.outcome_counts.add_unencodable(failed);
    Ok(futures)
}

/// A pool, as the trait that futures use.
pub(crate) struct ProcessControl<J: Job>(pub(crate) Arc<ProcessShared<J>>);

impl<J: Job> Control for ProcessControl<J> {
    fn settle(&self) {
        flush(&self.0, &self.0.submit_buffer);
    }

    fn awaited(&self) {
        self.0.flush_flags.set_streaming(false);
    }

    fn help(&self, time: Duration, is_done: &dyn Fn() -> bool) {
        help(&self.0, time, is_done);
    }

    fn cancel(&self, Ticket(id): Ticket) {
        apply(&self.0, Event::Cancelled(JobRange::single(JobId(id))));
    }

    fn kill(&self, Ticket(id): Ticket) -> bool {
        apply(&self.0, Event::Killed(JobId(id)));
        self.0.state.lock().sched.is_in_flight(JobId(id))
    }

    fn is_running(&self, Ticket(id): Ticket) -> bool {
        self.0.state.lock().sched.is_in_flight(JobId(id))
    }
}
