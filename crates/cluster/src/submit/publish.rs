//! Publishes messages concurrently, with retries until they are stored.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use tokio::{
    sync::{Semaphore, mpsc::UnboundedSender, watch},
    task::AbortHandle,
    time::sleep,
};

use super::{backpressure::Backpressure, event::Event, guard::spawn, throttle::ErrorThrottle};
use crate::{
    Error, Queue, RunId,
    chunks::ChunkedMessage,
    connect::Session,
    message::{Metadata, mark_republished},
    names::{Span, StreamKind},
    publish::{StoreResult, with_message_id},
};

/// Maximum number of messages without an acknowledgement from the server.
const MAX_UNACKED: usize = 64;

/// Delay between two attempts to publish a message.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// State shared by all publishing tasks.
pub(super) struct Publisher {
    session: Session,
    queue: Queue,
    run: RunId,
    version: String,
    /// Part of the message ids, so that the server does not reject a message as a duplicate of one that an
    /// earlier submitter published and removed.
    submitter: String,
    permits: Semaphore,
    jobs: Stream,
    backpressure: Backpressure,
    throttle: ErrorThrottle,
    timeout: Duration,
    events: UnboundedSender<Event>,
    /// Set when nothing more is to be published.
    stopped: watch::Sender<bool>,
}

/// A message to publish.
pub(super) struct PublishRequest {
    pub(super) span: Span,
    pub(super) payload: Bytes,
    pub(super) digest: String,
    /// How often this submitter has published it, this time included.
    pub(super) publish_count: u32,
    /// It was in the queue before, and may have been run.
    pub(super) republished: bool,
}

impl Publisher {
    pub(super) fn new(
        (session, jobs): (Session, Stream),
        (queue, run): (Queue, RunId),
        version: String,
        timeout: Duration,
        events: UnboundedSender<Event>,
    ) -> Arc<Publisher> {
        Arc::new(Publisher {
            throttle: ErrorThrottle::new(timeout, session.link.clone(), events.clone()),
            backpressure: Backpressure::new(timeout),
            jobs,
            submitter: session.client.new_inbox(),
            session,
            queue,
            run,
            version,
            permits: Semaphore::new(MAX_UNACKED),
            timeout,
            events,
            stopped: watch::Sender::new(false),
        })
    }

    pub(super) fn note_progress(&self) {
        self.backpressure.note_progress();
    }

    /// Stops all publishing.
    pub(super) fn stop_publishing(&self) {
        self.stopped.send_replace(true);
    }

    /// Publishes a message and sends the result to the coordinator, unless publishing is stopped.
    pub(super) fn publish(self: &Arc<Self>, request: PublishRequest) -> AbortHandle {
        let publisher = self.clone();
        spawn(&self.events, async move {
            let mut stopped = publisher.stopped.subscribe();
            let event = tokio::select! {
                event = publisher.publish_until_stored(request) => event,
                _ = stopped.wait_for(|&stopped| stopped) => return,
            };
            let _ = publisher.events.send(event);
        })
    }

    async fn publish_until_stored(&self, request: PublishRequest) -> Event {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        let PublishRequest { span, payload, digest, publish_count, republished } = request;
        let metadata =
            Metadata { version: self.version.clone(), digest, cost: None, node: None, failure: None };
        let subject = self.queue.subject(StreamKind::Jobs, &self.run, span);
        let id = format!("{}.{}.{}.{}.{publish_count}", self.run, span.first, span.count, self.submitter);
        let mut headers = with_message_id(metadata.to_headers(), id);
        if republished {
            headers = mark_republished(headers);
        }
        let mut outgoing = ChunkedMessage::new(&self.session, subject, headers, payload);
        loop {
            match outgoing.store(&self.session, &self.queue, &self.run).await {
                StoreResult::Stored(sequence) => {
                    self.backpressure.clear();
                    self.throttle.clear();
                    return Event::Published(span, sequence);
                }
                StoreResult::Full(cause) => {
                    if self.backpressure.is_stuck(&self.session, &self.queue, &self.jobs).await {
                        let (queue, run) = (self.queue.clone(), self.run.clone());
                        return Event::Failed(Error::Full { queue, run, waited: self.timeout, cause });
                    }
                }
                StoreResult::AlreadyExists => {}
                StoreResult::Unknown(cause) => {
                    self.throttle.record(&cause);
                }
            }
            sleep(RETRY_DELAY).await;
        }
    }
}
