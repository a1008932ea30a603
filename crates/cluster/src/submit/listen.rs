//! Results as they come, and results that are there already.

use std::{sync::Arc, time::Duration};

use async_nats::{
    HeaderMap,
    jetstream::{
        Message,
        consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull},
        stream::{LastRawMessageErrorKind, Stream},
    },
};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{
    sync::{Semaphore, mpsc::UnboundedSender},
    time::sleep,
};

use super::coordinator::Event;
use crate::{
    Error, Queue, RunId,
    connect::Session,
    names::{Span, Which, parse_subject},
    parts,
};

/// A request for results is answered by then, or asked anew.
const ASK_FOR: Duration = Duration::from_secs(3);

/// The most results that are asked for at a time.
const AT_A_TIME: usize = 256;

/// The server forgets a submitter that is gone.
const FORGET_AFTER: Duration = Duration::from_secs(120);

/// After a failure.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Results that are looked up at a time.
const LOOK_UPS: usize = 16;

/// A stored result.
pub(super) struct Found {
    pub(super) span: Span,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
}

/// Hears of every result of the run that is stored after a certain message of the stream.
///
/// By a consumer that is made anew whenever there is any doubt, from the last result on that has come: its state is worth
/// nothing, because what counts is the number in the stream.
pub(super) struct Listener {
    pub(super) session: Session,
    pub(super) results: Stream,
    pub(super) filter: String,
    pub(super) after: u64,
    pub(super) events: UnboundedSender<Event>,
}

impl Listener {
    pub(super) async fn listen(mut self) {
        while !self.events.is_closed() {
            let mut line = self.session.line.clone();
            let Ok(number) = line.wait_for(|line| line.up).await.map(|line| line.number) else { return };
            tokio::select! {
                _ = self.hear() => {}
                _ = line.wait_for(|line| line.number != number) => {}
            }
            sleep(RETRY_AFTER).await;
        }
    }

    /// Hears results until there is a doubt.
    async fn hear(&mut self) -> Result<(), Error> {
        let consumer = self.consumer().await?;
        let mut expected = 1;
        loop {
            let request = consumer.batch().max_messages(AT_A_TIME).expires(ASK_FOR);
            let mut results = request.messages().await.map_err(Error::server)?;
            while let Some(message) = results.next().await {
                let message = message.map_err(Error::server)?;
                let info = message.info().map_err(Error::server)?;
                if info.consumer_sequence != expected {
                    return Err(Error::server("a result was lost on the way"));
                }
                expected += 1;
                self.after = info.stream_sequence;
                self.tell(message);
            }
        }
    }

    async fn consumer(&self) -> Result<PullConsumer, Error> {
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.after + 1 },
            ack_policy: AckPolicy::None,
            filter_subject: self.filter.clone(),
            inactive_threshold: FORGET_AFTER,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        self.results.create_consumer(config).await.map_err(Error::server)
    }

    fn tell(&self, message: Message) {
        if let Some((_, span)) = parse_subject(&message.subject) {
            let Message { message, .. } = message;
            let headers = message.headers.unwrap_or_default();
            let _ = self.events.send(Event::Result(Found { span, headers, payload: message.payload }));
        }
    }
}

/// Looks results up by their subjects.
pub(super) struct Finder {
    results: Stream,
    queue: Queue,
    run: RunId,
    permits: Semaphore,
    events: UnboundedSender<Event>,
}

impl Finder {
    pub(super) fn new(
        results: Stream,
        queue: Queue,
        run: RunId,
        events: UnboundedSender<Event>,
    ) -> Arc<Finder> {
        Arc::new(Finder { results, queue, run, permits: Semaphore::new(LOOK_UPS), events })
    }

    /// Fetches a result; the coordinator hears of it, or that there is none.
    pub(super) fn find(self: &Arc<Self>, span: Span) {
        let finder = self.clone();
        tokio::spawn(async move {
            let _permit = finder.permits.acquire().await;
            let subject = finder.queue.subject(Which::Results, &finder.run, span);
            let event = loop {
                if finder.events.is_closed() {
                    return;
                }
                match finder.results.get_last_raw_message_by_subject(&subject).await {
                    Ok(found) => {
                        break Event::Result(Found { span, headers: found.headers, payload: found.payload });
                    }
                    Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                        break Event::NotFound(span);
                    }
                    Err(_) => sleep(RETRY_AFTER).await,
                }
            };
            let _ = finder.events.send(event);
        });
    }

    /// Puts the pieces of a large result together.
    pub(super) fn complete(self: &Arc<Self>, found: Found) {
        let finder = self.clone();
        tokio::spawn(async move {
            let Found { span, headers, payload } = found;
            let loaded = parts::load(&finder.results, &finder.queue, &finder.run, &headers, payload).await;
            let _ = finder.events.send(Event::Complete(span, loaded));
        });
    }
}
