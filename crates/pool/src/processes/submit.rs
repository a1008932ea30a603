//! Jobs with a future each.

use std::sync::Arc;

use job::{Failure, Job, JobId, JobRange};
use sched::Event;
use wire::frame::Entries;

use super::{block::Block, shared::Shared};
use crate::{
    JobFuture, JobOptions, Refused,
    future::{Control, Slot, SlotsSink, Ticket},
};

/// Submits jobs that travel together. One that cannot be encoded has failed already.
pub(crate) fn submit<J: Job>(
    shared: &Arc<Shared<J>>,
    control: &Arc<dyn Control>,
    jobs: &[J],
    options: JobOptions,
) -> Result<Vec<JobFuture<J>>, Refused> {
    let slots: Vec<Arc<Slot<J>>> = jobs.iter().map(|_| Slot::new()).collect();
    let (mut entries, mut tags) = (Entries::default(), Vec::with_capacity(jobs.len()));
    for (place, job) in (0..).zip(jobs) {
        match entries.push(shared.recipe.codec, job) {
            Ok(()) => tags.push(place),
            Err(error) => drop(slots[place as usize].fill(Err(Failure::Codec(error.to_string())))),
        }
    }
    let limits: Vec<_> =
        options.limit.iter().flat_map(|&limit| (0..tags.len()).map(move |at| (at, limit))).collect();
    let mut tickets: Vec<Option<Ticket>> = vec![None; jobs.len()];
    let block = Block { entries, tags: tags.clone(), sink: Arc::new(SlotsSink(slots.clone())) };
    if let Some(first) = Shared::try_submit(shared, block, &limits, jobs.len() > 1)? {
        tags.iter().zip(first.0..).for_each(|(&place, id)| tickets[place as usize] = Some(Ticket(id)));
    }
    let controlled = |ticket: Option<Ticket>| ticket.map(|ticket| (control.clone(), ticket));
    Ok(slots
        .into_iter()
        .zip(tickets)
        .map(|(slot, ticket)| JobFuture::new(slot, controlled(ticket)))
        .collect())
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
