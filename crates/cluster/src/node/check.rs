//! Checks whether the queue's streams and the nodes' consumer still exist.
//!
//! Pull requests of a deleted consumer or stream are not answered, which looks like an empty queue. So the
//! node asks the server for them every few seconds, and soon after anything failed or a ping requested it.

use std::time::{Duration, Instant};

use async_nats::{datetime::DateTime, jetstream::context::ConsumerInfoErrorKind};
use tokio::sync::mpsc;

use super::consumer::ack_wait;
use crate::{
    Error, Queue,
    connect::Session,
    streams::{CONSUMER, Identity, Streams},
};

/// Interval between checks.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Minimum interval between checks that were requested.
const MIN_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Answer of the server, and when it was requested.
pub(super) struct QueueCheck {
    requested_at: Instant,
    pub(super) answer: CheckAnswer,
}

pub(super) enum CheckAnswer {
    /// The streams and the consumer exist.
    Present { identity: Identity, consumer: DateTime, ack_wait: Duration },
    /// A stream or the consumer is missing.
    Missing,
    /// The server did not answer.
    Unknown,
}

/// Checks of the queue, at intervals and on request.
pub(super) struct QueueChecks {
    session: Session,
    queue: Queue,
    answers: mpsc::UnboundedSender<QueueCheck>,
    at: Instant,
    not_before: Instant,
    /// Time of the last restoration; answers to earlier requests are ignored.
    restored_at: Instant,
    /// Time since which creating has failed.
    failing_since: Option<Instant>,
}

impl QueueChecks {
    /// Returns checks that send the answers to this channel.
    pub(super) fn new(
        session: Session,
        queue: Queue,
        answers: mpsc::UnboundedSender<QueueCheck>,
    ) -> QueueChecks {
        let now = Instant::now();
        QueueChecks {
            session,
            queue,
            answers,
            at: now + CHECK_INTERVAL,
            not_before: now,
            restored_at: now,
            failing_since: None,
        }
    }

    /// Returns the time of the next check.
    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Checks soon, within the minimum interval.
    pub(super) fn soon(&mut self) {
        self.at = self.at.min(self.not_before);
    }

    /// Asks the server for the streams and the consumer, in a task that sends the answer.
    pub(super) fn request(&mut self) {
        let now = Instant::now();
        (self.at, self.not_before) = (now + CHECK_INTERVAL, now + MIN_CHECK_INTERVAL);
        let (session, queue, sender) = (self.session.clone(), self.queue.clone(), self.answers.clone());
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

    /// Returns whether the check was requested before the last restoration.
    pub(super) fn is_outdated(&self, check: &QueueCheck) -> bool {
        check.requested_at < self.restored_at
    }

    /// Notes that the queue was restored.
    pub(super) fn note_restored(&mut self) {
        (self.failing_since, self.restored_at) = (None, Instant::now());
    }

    /// Notes that restoring the queue failed. Returns for how long it has failed.
    pub(super) fn note_failure(&mut self) -> Duration {
        self.failing_since.get_or_insert_with(Instant::now).elapsed()
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
