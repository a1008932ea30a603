//! What the server says of a run's batches, asked beside the coordinator.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use pool::Job;
use tokio::time::{sleep, timeout};

use super::{
    coordinator::{Event, Waiting},
    guard::spawn,
    listen::Finder,
};
use crate::{
    Error,
    delivered::Delivered,
    names::{Span, Which},
    status::batches,
};

/// After this the question is asked anew.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// After a failure.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Which batches of the run are in the queue, and how far the nodes are with it.
pub(super) struct Survey {
    /// Says nothing of what has changed since.
    pub(super) asked: Instant,
    queued: HashSet<Span>,
    delivered: Delivered,
}

/// Where a batch is that has been published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the queue, and no node has been given it.
    Waits,
    /// In the queue, and some node has it, or will get it again.
    AtWork,
    /// Not in the queue, or acknowledged there and not removed: a server that was killed has kept the acknowledgement only.
    /// So it has a result, or it is lost.
    Gone,
}

impl Survey {
    /// Whether the nodes' consumer does not exist.
    pub(super) fn has_no_consumer(&self) -> bool {
        self.delivered.has_no_consumer
    }

    /// Where a batch is; its number in the queue may be known.
    pub(super) fn place<J: Job>(&self, waiting: &Waiting<J>) -> Place {
        self.place_of(waiting.batch.span, waiting.sequence)
    }

    fn place_of(&self, span: Span, number: Option<u64>) -> Place {
        match number {
            _ if !self.queued.contains(&span) => Place::Gone,
            Some(number) if number <= self.delivered.acked => Place::Gone,
            Some(number) if number > self.delivered.up_to => Place::Waits,
            _ => Place::AtWork,
        }
    }
}

impl Finder {
    /// Asks, as often as it takes; the coordinator hears of it.
    pub(super) fn survey(self: &Arc<Self>) {
        let finder = self.clone();
        spawn(&self.events, async move {
            while !finder.events.is_closed() {
                let error = match timeout(ANSWER_WITHIN, finder.survey_once()).await {
                    Ok(Ok(survey)) => {
                        finder.trouble.is_over();
                        let _ = finder.events.send(Event::Surveyed(survey));
                        return;
                    }
                    Ok(Err(error)) => error,
                    Err(late) => Error::NoAnswer(late.to_string()),
                };
                finder.trouble.goes_on(&error.to_string());
                sleep(RETRY_AFTER).await;
            }
        });
    }

    async fn survey_once(&self) -> Result<Survey, Error> {
        let asked = Instant::now();
        // In this order: what is still in the queue after it was acknowledged has been left there.
        let delivered = Delivered::ask(&self.jobs, &self.queue).await?;
        let queued = batches(&self.jobs, &self.queue.all(Which::Jobs, Some(&self.run))).await?;
        Ok(Survey { asked, queued: queued.into_iter().map(|(_, span)| span).collect(), delivered })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_the_nodes_and_in_no_ones_hands_is_gone() {
        let [first, second] = [Span { first: 0, count: 4 }, Span { first: 4, count: 4 }];
        let delivered = Delivered { up_to: 9, acked: 5, has_no_consumer: false };
        let survey = Survey { asked: Instant::now(), queued: HashSet::from([first]), delivered };
        let places = [5, 6, 9, 10].map(|number| survey.place_of(first, Some(number)));
        assert_eq!(places, [Place::Gone, Place::AtWork, Place::AtWork, Place::Waits]);
        assert_eq!(survey.place_of(first, None), Place::AtWork);
        assert_eq!(survey.place_of(second, Some(7)), Place::Gone);
    }
}
