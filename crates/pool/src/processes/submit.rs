//! Single jobs and their futures.

use std::sync::Arc;

use job::{Failure, Job, JobId, JobRange};
use sched::Event;
use wire::frame::Entries;

use super::{block::Block, shared::Shared};
use crate::{
    JobFuture, JobOptions, Refused,
    future::{Control, Slot, SlotSink, Ticket},
};

/// Submits one job. One that cannot be encoded has failed already.
pub(crate) fn submit<J: Job>(
    shared: &Arc<Shared<J>>,
    control: &Arc<dyn Control>,
    job: &J,
    options: JobOptions,
) -> Result<JobFuture<J>, Refused> {
    let slot = Slot::new();
    let mut entries = Entries::default();
    if let Err(error) = entries.push(shared.recipe.codec, job) {
        slot.fill(Err(Failure::Codec(error.to_string())));
        return Ok(JobFuture::new(slot, None));
    }
    let limits: Vec<_> = options.limit.map(|limit| (0, limit)).into_iter().collect();
    let block = Block { entries, tags: vec![0], sink: Arc::new(SlotSink(slot.clone())) };
    let id = Shared::try_submit(shared, block, &limits)?;
    Ok(JobFuture::new(slot, id.map(|id| (control.clone(), Ticket(id.0)))))
}

/// A pool, as its futures know it.
pub(crate) struct Controller<J: Job>(pub(crate) Arc<Shared<J>>);

impl<J: Job> Control for Controller<J> {
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
