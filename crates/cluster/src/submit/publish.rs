//! Publishing batches, several at a time, until they are stored.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use tokio::{
    sync::{Semaphore, mpsc::UnboundedSender, watch},
    task::AbortHandle,
    time::sleep,
};

use super::{coordinator::Event, fullness::Fullness, guard::spawn, trouble::Trouble};
use crate::{
    Error, Queue, RunId,
    batch::{Label, as_again},
    connect::Session,
    names::{Span, Which},
    parts::Parcel,
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
    jobs: Stream,
    fullness: Fullness,
    trouble: Trouble,
    timeout: Duration,
    pub(super) events: UnboundedSender<Event>,
    /// Nothing more is to be published.
    withdrawn: watch::Sender<bool>,
}

/// A batch on its way to the queue.
pub(super) struct Outgoing {
    pub(super) span: Span,
    pub(super) payload: Bytes,
    pub(super) digest: String,
    /// The so manieth time by this submitter.
    pub(super) time: u32,
    /// It has been in the queue before, and may have been run.
    pub(super) again: bool,
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
            trouble: Trouble::new(timeout, session.line.clone(), events.clone()),
            fullness: Fullness::new(timeout),
            jobs,
            submitter: session.client.new_inbox(),
            session,
            queue,
            run,
            version,
            permits: Semaphore::new(UNANSWERED),
            timeout,
            events,
            withdrawn: watch::Sender::new(false),
        })
    }

    pub(super) fn note_progress(&self) {
        self.fullness.note_progress();
    }

    /// Publishes nothing more.
    pub(super) fn withdraw(&self) {
        self.withdrawn.send_replace(true);
    }

    /// Publishes a batch; the coordinator hears of the end, unless it puts an end to it.
    pub(super) fn publish(self: &Arc<Self>, batch: Outgoing) -> AbortHandle {
        let publisher = self.clone();
        spawn(&self.events, async move {
            let mut withdrawn = publisher.withdrawn.subscribe();
            let event = tokio::select! {
                event = publisher.until_stored(batch) => event,
                _ = withdrawn.wait_for(|&withdrawn| withdrawn) => return,
            };
            let _ = publisher.events.send(event);
        })
    }

    async fn until_stored(&self, batch: Outgoing) -> Event {
        // Never closed.
        let _permit = self.permits.acquire().await;
        let Outgoing { span, payload, digest, time, again } = batch;
        let label = Label { version: self.version.clone(), digest, cost: None, node: None, failure: None };
        let subject = self.queue.subject(Which::Jobs, &self.run, span);
        let id = format!("{}.{}.{}.{}.{time}", self.run, span.first, span.count, self.submitter);
        let mut headers = with_id(label.headers(), id);
        if again {
            headers = as_again(headers);
        }
        let mut parcel = Parcel::new(&self.session, subject, headers, payload);
        loop {
            match parcel.store(&self.session, &self.queue, &self.run).await {
                Stored::Here(sequence) => {
                    self.fullness.is_over();
                    self.trouble.is_over();
                    return Event::Published(span, sequence);
                }
                Stored::Full(cause) => {
                    if self.fullness.is_hopeless(&self.session, &self.queue, &self.jobs).await {
                        let (queue, run) = (self.queue.clone(), self.run.clone());
                        return Event::Failed(Error::Full { queue, run, waited: self.timeout, cause });
                    }
                }
                Stored::Before => {}
                Stored::Unknown(cause) => {
                    self.trouble.goes_on(&cause);
                }
            }
            sleep(RETRY_AFTER).await;
        }
    }
}
