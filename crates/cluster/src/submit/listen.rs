//! Results as they come, and results that are there already.

use std::{sync::Arc, time::Duration};

use async_nats::{
    HeaderMap,
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

use super::{coordinator::Event, withdraw::delivered};
use crate::{
    Error, Queue, RunId,
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

    async fn consumer(&mut self) -> Result<PullConsumer, Error> {
        // Somebody has made the stream anew, or a server has lost its last messages: what comes has lower numbers then.
        let last = self.results.get_info().await.map_err(Error::server)?.state.last_sequence;
        self.after = self.after.min(last);
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

/// The last message of a subject, if there is one.
async fn last(stream: &Stream, subject: &str) -> Result<Option<StreamMessage>, Error> {
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(Error::server(error)),
    }
}

/// Looks results and batches up by their subjects.
pub(super) struct Finder {
    streams: Streams,
    queue: Queue,
    run: RunId,
    permits: Semaphore,
    events: UnboundedSender<Event>,
}

impl Finder {
    pub(super) fn new(
        streams: Streams,
        queue: Queue,
        run: RunId,
        events: UnboundedSender<Event>,
    ) -> Arc<Finder> {
        Arc::new(Finder { streams, queue, run, permits: Semaphore::new(LOOK_UPS), events })
    }

    /// Fetches a result; the coordinator hears of it, or that there is none.
    pub(super) fn find(self: &Arc<Self>, span: Span) {
        let finder = self.clone();
        tokio::spawn(async move {
            let _permit = finder.permits.acquire().await;
            while !finder.events.is_closed() {
                if let Ok(event) = finder.look(span).await {
                    let _ = finder.events.send(event);
                    return;
                }
                sleep(RETRY_AFTER).await;
            }
        });
    }

    /// Looks where a batch is. What is not in the queue any more may have become a result between two questions.
    async fn look(&self, span: Span) -> Result<Event, Error> {
        if let Some(found) = self.result(span).await? {
            return Ok(Event::Result(found));
        }
        let is_lost = self.is_lost(span).await?;
        let found = if is_lost { self.result(span).await? } else { None };
        Ok(found.map_or(Event::NotFound { span, is_lost }, Event::Result))
    }

    async fn result(&self, span: Span) -> Result<Option<Found>, Error> {
        let subject = self.queue.subject(Which::Results, &self.run, span);
        let found = last(&self.streams.results, &subject).await?;
        Ok(found.map(|found| Found { span, headers: found.headers, payload: found.payload }))
    }

    /// Whether a batch without a result will never get one.
    async fn is_lost(&self, span: Span) -> Result<bool, Error> {
        let jobs = &self.streams.jobs;
        let Some(queued) = last(jobs, &self.queue.subject(Which::Jobs, &self.run, span)).await? else {
            return Ok(true);
        };
        // In the queue, behind the place where the nodes are, and none of them has it: a server that was killed has kept the
        // acknowledgement and lost the result.
        let nodes = delivered(jobs).await;
        Ok(nodes.is_some_and(|nodes| nodes.in_flight == 0 && queued.sequence <= nodes.up_to))
    }

    /// Puts the pieces of a large result together.
    pub(super) fn complete(self: &Arc<Self>, found: Found) {
        let finder = self.clone();
        tokio::spawn(async move {
            let Found { span, headers, payload } = found;
            let loaded =
                parts::load(&finder.streams.results, &finder.queue, &finder.run, &headers, payload).await;
            let _ = finder.events.send(Event::Complete(span, loaded));
        });
    }
}
