//! What the server says of a run's batches, asked beside the coordinator.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use pool::Job;
use tokio::time::{sleep, timeout};

use super::{
    coordinator::{Event, PendingMessage},
    guard::spawn,
    listen::Finder,
};
use crate::{
    Error,
    names::{Span, StreamKind},
    position::ConsumerPosition,
    status::message_spans,
};

/// After this the question is asked anew.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(10);

/// After a failure.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// Which batches of the run are in the queue, and how far the nodes are with it.
pub(super) struct QueueSnapshot {
    /// Says nothing of what has changed since.
    pub(super) asked: Instant,
    queued: HashSet<Span>,
    position: ConsumerPosition,
}

/// Where a batch is that has been published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueState {
    /// In the queue, and no node has been given it.
    Undelivered,
    /// In the queue, and some node has it, or will get it again.
    Delivered,
    /// Not in the queue, or acknowledged there and not removed: a server that was killed has kept the acknowledgement only.
    /// So it has a result, or it is lost.
    Absent,
}

impl QueueSnapshot {
    /// Whether the nodes' consumer does not exist.
    pub(super) fn is_missing(&self) -> bool {
        self.position.is_missing
    }

    /// Where a batch is; its number in the queue may be known.
    pub(super) fn state<J: Job>(&self, pending: &PendingMessage<J>) -> QueueState {
        self.state_of(pending.message.span, pending.sequence)
    }

    fn state_of(&self, span: Span, sequence: Option<u64>) -> QueueState {
        match sequence {
            _ if !self.queued.contains(&span) => QueueState::Absent,
            Some(sequence) if sequence <= self.position.acked => QueueState::Absent,
            Some(sequence) if sequence > self.position.delivered => QueueState::Undelivered,
            _ => QueueState::Delivered,
        }
    }
}

impl Finder {
    /// Asks, as often as it takes; the coordinator hears of it.
    pub(super) fn take_snapshot(self: &Arc<Self>) {
        let finder = self.clone();
        spawn(&self.events, async move {
            while !finder.events.is_closed() {
                let error = match timeout(SNAPSHOT_TIMEOUT, finder.snapshot_once()).await {
                    Ok(Ok(snapshot)) => {
                        finder.throttle.clear();
                        let _ = finder.events.send(Event::Snapshot(snapshot));
                        return;
                    }
                    Ok(Err(error)) => error,
                    Err(late) => Error::NoAnswer(late.to_string()),
                };
                finder.throttle.record(&error.to_string());
                sleep(RETRY_DELAY).await;
            }
        });
    }

    async fn snapshot_once(&self) -> Result<QueueSnapshot, Error> {
        let asked = Instant::now();
        // In this order: what is still in the queue after it was acknowledged has been left there.
        let position = ConsumerPosition::fetch(&self.jobs, &self.queue).await?;
        let queued =
            message_spans(&self.jobs, &self.queue.subjects(StreamKind::Jobs, Some(&self.run))).await?;
        Ok(QueueSnapshot { asked, queued: queued.into_iter().map(|(_, span)| span).collect(), position })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_the_nodes_and_in_no_ones_hands_is_gone() {
        let [first, second] = [Span { first: 0, count: 4 }, Span { first: 4, count: 4 }];
        let position = ConsumerPosition { delivered: 9, acked: 5, is_missing: false };
        let snapshot = QueueSnapshot { asked: Instant::now(), queued: HashSet::from([first]), position };
        let states = [5, 6, 9, 10].map(|sequence| snapshot.state_of(first, Some(sequence)));
        assert_eq!(
            states,
            [QueueState::Absent, QueueState::Delivered, QueueState::Delivered, QueueState::Undelivered]
        );
        assert_eq!(snapshot.state_of(first, None), QueueState::Delivered);
        assert_eq!(snapshot.state_of(second, Some(7)), QueueState::Absent);
    }
}
