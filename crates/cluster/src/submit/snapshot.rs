//! Snapshots of the run's messages in the queue.

use std::{collections::HashSet, time::Instant};

use async_nats::jetstream::stream::Stream;
use pool::Job;

use super::pending::PendingMessage;
use crate::{
    Error, Queue, RunId,
    names::{Span, StreamKind},
    position::ConsumerPosition,
    status::message_spans,
};

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
    /// Requests a snapshot from the server.
    pub(super) async fn fetch(jobs: &Stream, queue: &Queue, run: &RunId) -> Result<QueueSnapshot, Error> {
        let requested_at = Instant::now();
        // The order matters: what is still in the queue after it was acknowledged has not been removed.
        let position = ConsumerPosition::fetch(jobs, queue).await?;
        let queued = message_spans(jobs, &queue.subjects(StreamKind::Jobs, Some(run))).await?;
        Ok(QueueSnapshot {
            requested_at,
            queued: queued.into_iter().map(|(_, span)| span).collect(),
            position,
        })
    }

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
