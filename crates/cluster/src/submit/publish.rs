//! Publishing batches, several at a time, until they are stored.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use tokio::{
    sync::{Semaphore, mpsc::UnboundedSender, watch},
    task::AbortHandle,
    time::sleep,
};

use super::{backpressure::Backpressure, coordinator::Event, guard::spawn, throttle::ErrorThrottle};
use crate::{
    Error, Queue, RunId,
    chunks::ChunkedMessage,
    connect::Session,
    message::{Metadata, mark_republished},
    names::{Span, StreamKind},
    publish::{StoreResult, with_message_id},
};

/// Batches that may wait for the server's word that it has stored them.
const MAX_UNACKED: usize = 64;

/// Between two attempts with one batch.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// What all publishing shares.
pub(super) struct Publisher {
    pub(super) session: Session,
    pub(super) queue: Queue,
    pub(super) run: RunId,
    pub(super) version: String,
    /// Tells this submitter's messages from those of an earlier one: the server must take again what has been withdrawn.
    submitter: String,
    permits: Semaphore,
    jobs: Stream,
    backpressure: Backpressure,
    throttle: ErrorThrottle,
    timeout: Duration,
    pub(super) events: UnboundedSender<Event>,
    /// Nothing more is to be published.
    stopped: watch::Sender<bool>,
}

/// A batch on its way to the queue.
pub(super) struct PublishRequest {
    pub(super) span: Span,
    pub(super) payload: Bytes,
    pub(super) digest: String,
    /// The so manieth time by this submitter.
    pub(super) publish_count: u32,
    /// It has been in the queue before, and may have been run.
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

    /// Publishes nothing more.
    pub(super) fn stop_publishing(&self) {
        self.stopped.send_replace(true);
    }

    /// Publishes a batch; the coordinator hears of the end, unless it puts an end to it.
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
        // Never closed.
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
