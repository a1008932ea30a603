//! Jobs with a future each.

use std::{sync::Arc, time::Duration};

use job::{Job, JobId, JobRange};
use sched::Event;

use super::{
    block::{Block, Exit},
    shared::Shared,
};
use crate::{
    JobFuture, JobOptions, SubmitError,
    future::{Control, Slot, Slots, Ticket},
};

/// Submits a job, which is sent when a worker could have it. If it cannot be encoded it has failed already.
pub(crate) fn submit<J: Job>(
    shared: &Arc<Shared<J>>,
    control: &Arc<dyn Control>,
    job: &J,
    options: JobOptions,
) -> Result<JobFuture<J>, SubmitError> {
    let gather = &shared.submitted;
    match gather.submit(shared.recipe.codec, job, options, control) {
        Some((slot, added)) => {
            Shared::added(shared, gather, added);
            Ok(JobFuture::new(slot))
        }
        None => Err(shared.refusal().unwrap_or(SubmitError::Closed)),
    }
}

/// Submits jobs that travel together. Those that cannot be encoded have failed already.
pub(crate) fn submit_together<J: Job>(
    shared: &Arc<Shared<J>>,
    control: &Arc<dyn Control>,
    jobs: &[J],
    options: JobOptions,
) -> Result<Vec<JobFuture<J>>, SubmitError> {
    let slots = Slots::new(jobs.len(), Some(control.clone()));
    let futures = (0..jobs.len()).map(|place| JobFuture::new(Slot::new(&slots, place))).collect();
    let mut block = Block::new(Exit::Slots(slots.clone()));
    for (place, job) in (0..).zip(jobs) {
        if let Err(failure) = block.add(shared.recipe.codec, place, job, options) {
            slots.fill(place, Err(failure));
        }
    }
    Shared::try_submit(shared, block, jobs.len() > 1)?;
    Ok(futures)
}

/// A pool, as its futures know it.
pub(crate) struct Controller<J: Job>(pub(crate) Arc<Shared<J>>);

impl<J: Job> Control for Controller<J> {
    fn settle(&self) {
        Shared::collect(&self.0, &self.0.submitted);
    }

    fn awaited(&self) {
        self.0.expect_a_stream(false);
    }

    fn help(&self, time: Duration, is_done: &dyn Fn() -> bool) {
        Shared::help(&self.0, time, is_done);
    }

    fn cancel(&self, Ticket(id): Ticket) {
        Shared::tell(&self.0, Event::Cancelled(JobRange::one(JobId(id))));
    }

    fn kill(&self, Ticket(id): Ticket) -> bool {
        Shared::tell(&self.0, Event::Killed(JobId(id)));
        self.0.state.lock().sched.is_in_flight(JobId(id))
    }

    fn is_running(&self, Ticket(id): Ticket) -> bool {
        self.0.state.lock().sched.is_in_flight(JobId(id))
    }
}
