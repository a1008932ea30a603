//! Snapshots of the run's messages in the queue, requested in tasks.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use pool::Job;
use tokio::time::{sleep, timeout};

use super::{coordinator::Event, guard::spawn, listen::Finder, pending::PendingMessage};
use crate::{
    Error,
    names::{Span, StreamKind},
    position::ConsumerPosition,
    status::message_spans,
};

/// Timeout of a snapshot; then it is requested again.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(10);

/// Delay after a failed request.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// Snapshot of the run's messages in the queue and of the nodes' consumer.
pub(super) struct QueueSnapshot {
    /// When it was requested. Later changes may be missing.
    pub(super) requested_at: Instant,
    queued: HashSet<Span>,
    position: ConsumerPosition,
}

/// State of a published message in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueState {
    /// In the queue, and not delivered yet.
    Undelivered,
    /// Delivered, and in flight or to be redelivered.
    Delivered,
    /// Not in the queue, or acknowledged and not removed, because a server that was killed kept only the
    /// acknowledgement. So it has a result, or it is lost.
    Absent,
}

impl QueueSnapshot {
    /// Returns whether the nodes' consumer does not exist.
    pub(super) fn is_missing(&self) -> bool {
        self.position.is_missing
    }

    /// Returns the state of a message, whose sequence number need not be known.
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
    /// Requests a snapshot, with retries, and sends it to the coordinator.
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
        let requested_at = Instant::now();
        // The order matters: what is still in the queue after it was acknowledged has not been removed.
        let position = ConsumerPosition::fetch(&self.jobs, &self.queue).await?;
        let queued =
            message_spans(&self.jobs, &self.queue.subjects(StreamKind::Jobs, Some(&self.run))).await?;
        Ok(QueueSnapshot {
            requested_at,
            queued: queued.into_iter().map(|(_, span)| span).collect(),
            position,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledged_messages_count_as_absent() {
        let [first, second] = [Span { first: 0, count: 4 }, Span { first: 4, count: 4 }];
        let position = ConsumerPosition { delivered: 9, acked: 5, is_missing: false };
        let snapshot =
            QueueSnapshot { requested_at: Instant::now(), queued: HashSet::from([first]), position };
        let states = [5, 6, 9, 10].map(|sequence| snapshot.state_of(first, Some(sequence)));
        assert_eq!(
            states,
            [QueueState::Absent, QueueState::Delivered, QueueState::Delivered, QueueState::Undelivered]
        );
        assert_eq!(snapshot.state_of(first, None), QueueState::Delivered);
        assert_eq!(snapshot.state_of(second, Some(7)), QueueState::Absent);
    }
}
