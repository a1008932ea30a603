//! Results as they come, and results that are there already.

use std::{convert::Infallible, sync::Arc, time::Duration};

use async_nats::{
    HeaderMap,
    datetime::DateTime,
    jetstream::{
        Message,
        consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull},
        message::StreamMessage,
        stream::{LastRawMessageErrorKind, Stream},
    },
};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{
    sync::{Semaphore, mpsc::UnboundedSender},
    time::sleep,
};

use super::{coordinator::Event, guard::spawn, trouble::Trouble};
use crate::{
    Error, Queue, RunId,
    batch::Label,
    connect::Session,
    names::{Span, Which, parse_subject},
    parts,
    streams::Streams,
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
    /// Its number among the results.
    pub(super) sequence: u64,
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
    /// When the stream was created that `after` counts in.
    pub(super) created: DateTime,
    pub(super) filter: String,
    pub(super) after: u64,
    pub(super) events: UnboundedSender<Event>,
    pub(super) trouble: Trouble,
}

impl Listener {
    pub(super) async fn listen(mut self) {
        while !self.events.is_closed() {
            let mut line = self.session.line.clone();
            let Ok(number) = line.wait_for(|line| line.up).await.map(|line| line.number) else { return };
            tokio::select! {
                Err(error) = self.hear() => self.trouble.goes_on(&error.to_string()),
                _ = line.wait_for(|line| line.number != number) => {}
            }
            sleep(RETRY_AFTER).await;
        }
    }

    /// Hears results until there is a doubt.
    async fn hear(&mut self) -> Result<Infallible, Error> {
        let consumer = self.consumer().await?;
        self.trouble.is_over();
        let mut expected = 1;
        loop {
            let request = consumer.batch().max_messages(AT_A_TIME).expires(ASK_FOR);
            let mut results = request.messages().await.map_err(Error::server)?;
            let asked = expected;
            while let Some(message) = results.next().await {
                let message = message.map_err(Error::server)?;
                let info = message.info().map_err(Error::server)?;
                if info.consumer_sequence != expected {
                    return Err(Error::server("a result was lost on the way"));
                }
                expected += 1;
                self.after = info.stream_sequence;
                let sequence = info.stream_sequence;
                self.tell(message, sequence);
            }
            if expected == asked {
                // A consumer that was deleted does not answer.
                consumer.get_info().await.map_err(Error::server)?;
            }
        }
    }

    async fn consumer(&mut self) -> Result<PullConsumer, Error> {
        // Somebody has made the stream anew, or a server has lost its last messages: what comes has lower numbers then.
        let info = self.results.get_info().await.map_err(Error::server)?;
        let is_new = std::mem::replace(&mut self.created, info.created) != info.created;
        if is_new || info.state.last_sequence < self.after {
            self.after = if is_new { 0 } else { info.state.last_sequence };
            let _ = self.events.send(Event::Doubt);
        }
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

    fn tell(&self, message: Message, sequence: u64) {
        if let Some((_, span)) = parse_subject(&message.subject) {
            let Message { message, .. } = message;
            let headers = message.headers.unwrap_or_default();
            let found = Found { span, sequence, headers, payload: message.payload };
            let _ = self.events.send(Event::Result(found));
        }
    }
}

/// Looks results up by their subjects.
pub(super) struct Finder {
    pub(super) jobs: Stream,
    results: Stream,
    pub(super) queue: Queue,
    pub(super) run: RunId,
    permits: Semaphore,
    pub(super) events: UnboundedSender<Event>,
    pub(super) trouble: Trouble,
}

impl Finder {
    pub(super) fn new(
        streams: &Streams,
        queue: Queue,
        run: RunId,
        events: UnboundedSender<Event>,
        trouble: Trouble,
    ) -> Arc<Finder> {
        let (jobs, results) = (streams.jobs.clone(), streams.results.clone());
        Arc::new(Finder { jobs, results, queue, run, permits: Semaphore::new(LOOK_UPS), events, trouble })
    }

    /// Fetches a result; the coordinator hears of it, or that there is none.
    pub(super) fn find(self: &Arc<Self>, span: Span) {
        let finder = self.clone();
        spawn(&self.events, async move {
            let _permit = finder.permits.acquire().await;
            if let Some(event) = finder.result(span).await {
                let _ = finder.events.send(event);
            }
        });
    }

    /// Looks for a batch that was in the queue; if it is not there any more, for its result.
    pub(super) fn follow(self: &Arc<Self>, span: Span) {
        let finder = self.clone();
        spawn(&self.events, async move {
            let _permit = finder.permits.acquire().await;
            let subject = finder.queue.subject(Which::Jobs, &finder.run, span);
            let event = match finder.last(&finder.jobs, &subject).await {
                Some(Some(batch)) => {
                    let digest = Label::read(&batch.headers).digest;
                    Some(Event::Queued(span, batch.sequence, digest))
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
        let subject = self.queue.subject(Which::Results, &self.run, span);
        Some(match self.last(&self.results, &subject).await? {
            Some(StreamMessage { sequence, headers, payload, .. }) => {
                Event::Result(Found { span, sequence, headers, payload })
            }
            None => Event::NotFound(span),
        })
    }

    /// The last message of a subject, if there is one; nothing when nobody wants to know any more.
    async fn last(&self, stream: &Stream, subject: &str) -> Option<Option<StreamMessage>> {
        while !self.events.is_closed() {
            let found = match stream.get_last_raw_message_by_subject(subject).await {
                Ok(found) => Some(found),
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => None,
                Err(error) => {
                    self.trouble.goes_on(&error.to_string());
                    sleep(RETRY_AFTER).await;
                    continue;
                }
            };
            self.trouble.is_over();
            return Some(found);
        }
        None
    }

    /// Puts the pieces of a large result together.
    pub(super) fn complete(self: &Arc<Self>, found: Found) {
        let finder = self.clone();
        spawn(&self.events, async move {
            let Found { span, headers, payload, .. } = found;
            let loaded = parts::load(&finder.results, &finder.queue, &finder.run, &headers, payload).await;
            let _ = finder.events.send(Event::Complete(span, loaded));
        });
    }
}
