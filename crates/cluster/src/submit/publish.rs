//! Publishing batches, several at a time, until they are stored.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, mpsc::UnboundedSender, watch},
    task::AbortHandle,
    time::sleep,
};

use super::{claim::Claim, coordinator::Event};
use crate::{
    Error, Queue, RunId,
    batch::Label,
    connect::Session,
    names::{Span, Which},
    parts,
    publish::{Stored, with_id},
};

/// Batches that may wait for the server's word that it has stored them.
const UNANSWERED: usize = 64;

/// Between two attempts with one batch.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// What all publishing shares.
pub(super) struct Publisher {
    pub(super) session: Session,
    pub(super) queue: Queue,
    pub(super) run: RunId,
    pub(super) version: String,
    /// Tells this submitter's messages from those of an earlier one: the server must take again what has been withdrawn.
    submitter: String,
    permits: Semaphore,
    /// When anything was last stored or came back.
    progress: Mutex<Instant>,
    timeout: Duration,
    pub(super) events: UnboundedSender<Event>,
    /// Nothing more is to be published.
    withdrawn: watch::Sender<bool>,
}

impl Publisher {
    pub(super) fn new(
        session: Session,
        (queue, run): (Queue, RunId),
        version: String,
        timeout: Duration,
        events: UnboundedSender<Event>,
    ) -> Arc<Publisher> {
        Arc::new(Publisher {
            submitter: session.client.new_inbox(),
            session,
            queue,
            run,
            version,
            permits: Semaphore::new(UNANSWERED),
            progress: Mutex::new(Instant::now()),
            timeout,
            events,
            withdrawn: watch::Sender::new(false),
        })
    }

    pub(super) fn note_progress(&self) {
        *self.progress.lock() = Instant::now();
    }

    /// Publishes nothing more.
    pub(super) fn withdraw(&self) {
        self.withdrawn.send_replace(true);
    }

    /// Publishes a batch, for the so manieth time; the coordinator hears of the end, unless it puts an end to it.
    pub(super) fn publish(
        self: &Arc<Self>,
        span: Span,
        payload: Bytes,
        digest: String,
        time: u32,
    ) -> AbortHandle {
        let publisher = self.clone();
        let publishing = tokio::spawn(async move {
            let mut withdrawn = publisher.withdrawn.subscribe();
            let event = tokio::select! {
                event = publisher.until_stored(span, payload, digest, time) => event,
                _ = withdrawn.wait_for(|&withdrawn| withdrawn) => return,
            };
            let _ = publisher.events.send(event);
        });
        publishing.abort_handle()
    }

    /// Removes these batches from the queue, in a while.
    pub(super) fn take_back(&self, jobs: &Stream, numbers: Vec<u64>) {
        let jobs = jobs.clone();
        tokio::spawn(async move {
            for number in numbers {
                // One that is gone by now has been run.
                let _ = jobs.delete_message(number).await;
            }
        });
    }

    /// Looks whether the run is still ours; the coordinator hears if it is not.
    pub(super) fn expect_to_have(&self, claim: &Claim) {
        let (claim, events) = (claim.clone(), self.events.clone());
        tokio::spawn(async move {
            if let Some(error) = claim.taken_over().await {
                let _ = events.send(Event::Failed(error));
            }
        });
    }

    async fn until_stored(&self, span: Span, payload: Bytes, digest: String, time: u32) -> Event {
        // Never closed.
        let _permit = self.permits.acquire().await;
        let label = Label { version: self.version.clone(), digest, cost: None, node: None };
        let subject = self.queue.subject(Which::Jobs, &self.run, span);
        let id = format!("{}.{}.{}.{}.{time}", self.run, span.first, span.count, self.submitter);
        loop {
            let mut headers = with_id(label.headers(), id.clone());
            let small =
                parts::store(&self.session, &self.queue, &self.run, payload.clone(), &mut headers).await;
            let stored = match small {
                Ok(small) => self.session.store(&subject, headers, small).await,
                Err(error) => Stored::Unknown(error.to_string()),
            };
            match stored {
                Stored::Here(sequence) => {
                    self.note_progress();
                    return Event::Published(span, sequence);
                }
                Stored::Full(cause) => {
                    if self.progress.lock().elapsed() >= self.timeout {
                        let (queue, run) = (self.queue.clone(), self.run.clone());
                        return Event::Failed(Error::Full { queue, run, waited: self.timeout, cause });
                    }
                }
                Stored::Before | Stored::Unknown(_) => {}
            }
            sleep(RETRY_AFTER).await;
        }
    }
}
