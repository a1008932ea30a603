//! Looks up results, messages and snapshots of the queue, in tasks.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{
    message::StreamMessage,
    stream::{LastRawMessageErrorKind, Stream},
};
use tokio::{
    sync::{Semaphore, mpsc::UnboundedSender},
    time::{sleep, timeout},
};

use super::{
    event::{Event, ResultMessage},
    guard::spawn,
    snapshot::QueueSnapshot,
    throttle::ErrorThrottle,
};
use crate::{
    Error, Queue, RunId, chunks,
    message::Metadata,
    names::{Span, StreamKind},
    streams::Streams,
};

/// Timeout of a snapshot; then it is requested again.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(10);

/// Delay after a failed request.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// Number of concurrent lookups.
const MAX_LOOKUPS: usize = 16;

/// Looks up results and messages by their subjects.
pub(super) struct Finder {
    jobs: Stream,
    results: Stream,
    queue: Queue,
    run: RunId,
    permits: Semaphore,
    events: UnboundedSender<Event>,
    throttle: ErrorThrottle,
}

impl Finder {
    pub(super) fn new(
        streams: &Streams,
        queue: Queue,
        run: RunId,
        events: UnboundedSender<Event>,
        throttle: ErrorThrottle,
    ) -> Arc<Finder> {
        let (jobs, results) = (streams.jobs.clone(), streams.results.clone());
        Arc::new(Finder { jobs, results, queue, run, permits: Semaphore::new(MAX_LOOKUPS), events, throttle })
    }

    /// Looks up a result, and sends it, or that there is none, to the coordinator.
    pub(super) fn find(self: &Arc<Self>, span: Span) {
        let finder = self.clone();
        spawn(&self.events, async move {
            let _permit = finder.permits.acquire().await;
            if let Some(event) = finder.result(span).await {
                let _ = finder.events.send(event);
            }
        });
    }

    /// Looks up a message that was queued; if it is not there any more, looks up its result.
    pub(super) fn find_queued(self: &Arc<Self>, span: Span) {
        let finder = self.clone();
        spawn(&self.events, async move {
            let _permit = finder.permits.acquire().await;
            let subject = finder.queue.subject(StreamKind::Jobs, &finder.run, span);
            let event = match finder.last_message(&finder.jobs, &subject).await {
                Some(Some(queued)) => {
                    let digest = Metadata::from_headers(&queued.headers).digest;
                    Some(Event::Queued(span, queued.sequence, digest))
                }
                Some(None) => finder.result(span).await,
                None => None,
            };
            if let Some(event) = event {
                let _ = finder.events.send(event);
            }
        });
    }

    async fn result(&self, span: Span) -> Option<Event> {
        let subject = self.queue.subject(StreamKind::Results, &self.run, span);
        Some(match self.last_message(&self.results, &subject).await? {
            Some(StreamMessage { sequence, headers, payload, .. }) => {
                Event::Result(ResultMessage { span, sequence, headers, payload })
            }
            None => Event::NotFound(span),
        })
    }

    /// Returns the last message of a subject, `Some(None)` if there is none, and `None` if the coordinator
    /// has ended.
    async fn last_message(&self, stream: &Stream, subject: &str) -> Option<Option<StreamMessage>> {
        while !self.events.is_closed() {
            let found = match stream.get_last_raw_message_by_subject(subject).await {
                Ok(found) => Some(found),
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => None,
                Err(error) => {
                    self.throttle.record(&error.to_string());
                    sleep(RETRY_DELAY).await;
                    continue;
                }
            };
            self.throttle.clear();
            return Some(found);
        }
        None
    }

    /// Loads the chunks of a large result.
    pub(super) fn load(self: &Arc<Self>, found: ResultMessage) {
        let finder = self.clone();
        spawn(&self.events, async move {
            let ResultMessage { span, headers, payload, .. } = found;
            let loaded = chunks::load(&finder.results, &finder.queue, &finder.run, &headers, payload).await;
            let _ = finder.events.send(Event::Loaded(span, loaded));
        });
    }

    /// Requests a snapshot, with retries, and sends it to the coordinator.
    pub(super) fn take_snapshot(self: &Arc<Self>) {
        let finder = self.clone();
        spawn(&self.events, async move {
            while !finder.events.is_closed() {
                let snapshot = QueueSnapshot::fetch(&finder.jobs, &finder.queue, &finder.run);
                let error = match timeout(SNAPSHOT_TIMEOUT, snapshot).await {
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
}
