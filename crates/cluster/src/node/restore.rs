//! Checks that the queue's streams and the nodes' consumer still exist, and creates again what was deleted.
//!
//! Pull requests of a deleted consumer or stream are not answered, which looks like an empty queue. So the
//! node asks the server for them every few seconds, and soon after anything failed or a ping requested it.

use std::time::{Duration, Instant};

use async_nats::{
    datetime::DateTime,
    jetstream::{
        consumer::{self, PullConsumer},
        context::ConsumerInfoErrorKind,
    },
};
use pool::Job;
use tokio::time::{sleep, timeout};

use super::{NodeNews, serve::Node};
use crate::{
    Error,
    streams::{ACK_WAIT, CONSUMER, Identity, Streams},
};

/// Interval between checks.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Minimum interval between checks that were requested.
const MIN_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Delay before creating: a server that is still removing a stream loses what is stored in a new one of the
/// same name.
const CREATE_DELAY: Duration = Duration::from_millis(500);

/// Timeout of creating; it is retried after the next check.
const CREATE_TIMEOUT: Duration = Duration::from_secs(5);

/// Answer of the server, and when it was requested.
pub(super) struct QueueCheck {
    requested_at: Instant,
    answer: CheckAnswer,
}

enum CheckAnswer {
    /// The streams and the consumer exist.
    Present { identity: Identity, consumer: DateTime, ack_wait: Duration },
    /// A stream or the consumer is missing.
    Missing,
    /// The server did not answer.
    Unknown,
}

/// Times of the checks.
pub(super) struct CheckSchedule {
    pub(super) at: Instant,
    not_before: Instant,
    /// Time of the last restoration; answers to earlier requests are ignored.
    restored_at: Instant,
    /// Time since which creating has failed.
    failing_since: Option<Instant>,
}

impl CheckSchedule {
    pub(super) fn new() -> CheckSchedule {
        let now = Instant::now();
        CheckSchedule { at: now + CHECK_INTERVAL, not_before: now, restored_at: now, failing_since: None }
    }

    /// Checks soon, within the minimum interval.
    pub(super) fn soon(&mut self) {
        self.at = self.at.min(self.not_before);
    }
}

impl<J: Job> Node<J> {
    /// Asks the server for the streams and the consumer, in a task that sends the answer to `checks`.
    pub(super) fn check_queue(&mut self) {
        let now = Instant::now();
        (self.check_schedule.at, self.check_schedule.not_before) =
            (now + CHECK_INTERVAL, now + MIN_CHECK_INTERVAL);
        let (session, queue) = (self.shared.session.clone(), self.shared.settings.queue.clone());
        let sender = self.check_sender.clone();
        tokio::spawn(async move {
            let found = match Streams::find(&session, &queue).await {
                Ok(streams) => check_consumer(&streams).await,
                Err(Error::NoQueue { .. } | Error::NoStream { .. }) => CheckAnswer::Missing,
                Err(_) => CheckAnswer::Unknown,
            };
            // The receiver is gone only when the node has left.
            let _ = sender.send(QueueCheck { requested_at: now, answer: found });
        });
    }

    /// Handles an answer. Returns whether streams or the consumer have to be created or opened again.
    pub(super) fn apply_check(&mut self, check: &QueueCheck) -> bool {
        if check.requested_at < self.check_schedule.restored_at {
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
    pub(super) async fn restore(&mut self, notify: &mut dyn FnMut(NodeNews)) -> Result<bool, Error> {
        let error = match timeout(CREATE_TIMEOUT, self.reopen()).await {
            Ok(Ok(is_new)) => {
                (self.check_schedule.failing_since, self.check_schedule.restored_at) = (None, Instant::now());
                notify(NodeNews::Restored);
                return Ok(is_new);
            }
            Ok(Err(error @ Error::Version { .. })) => return Err(error),
            Ok(Err(error)) => error,
            Err(late) => Error::NoAnswer(late.to_string()),
        };
        let since = *self.check_schedule.failing_since.get_or_insert_with(Instant::now);
        if !matches!(error, Error::NoAnswer(_)) && since.elapsed() >= self.shared.session.retry_timeout {
            return Err(error);
        }
        self.notify_error(error.to_string(), notify);
        self.check_schedule.soon();
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

async fn check_consumer(streams: &Streams) -> CheckAnswer {
    match streams.jobs.consumer_info(CONSUMER).await {
        Ok(info) => CheckAnswer::Present {
            identity: streams.identity(),
            consumer: info.created,
            ack_wait: ack_wait(&info),
        },
        Err(error) => match error.kind() {
            ConsumerInfoErrorKind::NotFound | ConsumerInfoErrorKind::StreamNotFound => CheckAnswer::Missing,
            _ => CheckAnswer::Unknown,
        },
    }
}

/// Returns the ack wait of a consumer.
pub(super) fn ack_wait(info: &consumer::Info) -> Duration {
    if info.config.ack_wait.is_zero() { ACK_WAIT } else { info.config.ack_wait }
}

/// Returns the creation time of a consumer.
pub(super) fn created(consumer: &PullConsumer) -> DateTime {
    consumer.cached_info().created
}
