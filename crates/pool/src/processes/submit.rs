//! Submission of jobs with a future each.

use std::{sync::Arc, time::Duration};

use job::{Job, JobId, JobRange};
use sched::Event;

use super::{
    block::{Block, OutcomeTarget},
    flush::{flush, on_push},
    help::help,
    shared::ProcessShared,
    transaction::{apply, try_submit_block},
};
use crate::{
    JobFuture, JobOptions, SubmitError,
    future::{Control, Slot, Slots, Ticket},
};

/// Submits a job. It is sent when a worker has capacity. If it cannot be encoded, the future is already
/// resolved with that error.
pub(crate) fn submit<J: Job>(
    shared: &Arc<ProcessShared<J>>,
    control: &Arc<dyn Control>,
    job: &J,
    options: JobOptions,
) -> Result<JobFuture<J>, SubmitError> {
    let buffer = &shared.submit_buffer;
    match buffer.push_with_slot(shared.spawn_config.codec, job, options, control) {
        Some((slot, hint)) => {
            on_push(shared, buffer, hint);
            Ok(JobFuture::new(slot))
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
    let slots = Slots::new(jobs.len(), Some(control.clone()));
    let futures = (0..jobs.len()).map(|index| JobFuture::new(Slot::new(&slots, index))).collect();
    let mut block = Block::new(OutcomeTarget::Slots(slots.clone()));
    for (index, job) in (0..).zip(jobs) {
        if let Err(failure) = block.add(shared.spawn_config.codec, index, job, options) {
            slots.fill(index, Err(failure));
        }
    }
    try_submit_block(shared, block, jobs.len() > 1)?;
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
