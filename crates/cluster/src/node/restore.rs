//! Creates the queue's streams and the nodes' consumer again when they were deleted.

use std::time::{Duration, Instant};

use pool::Job;
use tokio::time::{sleep, timeout};

use super::{
    check::{CheckAnswer, QueueCheck},
    consumer::{ack_wait, created},
    node_event::NodeEvent,
    state::Node,
};
use crate::{Error, streams::Streams};

/// Delay before creating: a server that is still removing a stream loses what is stored in a new one of the
/// same name.
const CREATE_DELAY: Duration = Duration::from_millis(500);

/// Timeout of creating; it is retried after the next check.
const CREATE_TIMEOUT: Duration = Duration::from_secs(5);

impl<J: Job> Node<J> {
    /// Handles an answer. Returns whether streams or the consumer have to be created or opened again.
    pub(super) fn apply_check(&mut self, check: &QueueCheck) -> bool {
        if self.checks.is_outdated(check) {
            return false;
        }
        match check.answer {
            CheckAnswer::Present { identity, consumer, ack_wait } => {
                self.update_ack_wait(ack_wait);
                identity != self.streams.identity() || consumer != created(&self.consumer)
            }
            CheckAnswer::Missing => true,
            CheckAnswer::Unknown => false,
        }
    }

    /// Opens the streams and the consumer again, and creates what is missing. Returns whether the consumer is
    /// a new one.
    ///
    /// # Errors
    /// If the queue is of another version, or the server has rejected the creation for longer than the
    /// connection's timeout.
    pub(super) async fn restore(&mut self, notify: &mut dyn FnMut(NodeEvent)) -> Result<bool, Error> {
        let error = match timeout(CREATE_TIMEOUT, self.reopen()).await {
            Ok(Ok(is_new)) => {
                self.checks.note_restored();
                notify(NodeEvent::Restored);
                return Ok(is_new);
            }
            Ok(Err(error @ Error::Version { .. })) => return Err(error),
            Ok(Err(error)) => error,
            Err(late) => Error::NoAnswer(late.to_string()),
        };
        let failing_for = self.checks.note_failure();
        if !matches!(error, Error::NoAnswer(_)) && failing_for >= self.shared.session.retry_timeout {
            return Err(error);
        }
        self.error_notifier.notify(error.to_string(), notify);
        self.checks.soon();
        Ok(false)
    }

    async fn reopen(&mut self) -> Result<bool, Error> {
        sleep(CREATE_DELAY).await;
        let (session, settings) = (&self.shared.session, &self.shared.settings);
        let streams = Streams::open(session, &settings.queue, J::NAME, settings.streams).await?;
        let consumer = streams.consumer(session, self.ack_wait).await?;
        let delivered = consumer.cached_info().delivered.stream_sequence;
        if streams.identity().jobs == self.streams.identity().jobs {
            self.highest_sequence = self.highest_sequence.max(delivered);
        } else {
            // Messages in flight are of the deleted stream: the new one has other messages under the same
            // sequence numbers.
            self.in_flight.drain().for_each(|(_, message)| message.task.abort());
            self.highest_sequence = delivered;
        }
        let is_new = created(&consumer) != created(&self.consumer);
        (self.streams, self.consumer) = (streams, consumer);
        self.update_ack_wait(ack_wait(self.consumer.cached_info()));
        Ok(is_new)
    }

    /// Sends heartbeats at once if the ack wait has changed.
    fn update_ack_wait(&mut self, ack_wait: Duration) {
        if std::mem::replace(&mut self.ack_wait, ack_wait) != ack_wait {
            self.heartbeat_at = Instant::now();
        }
    }
}
