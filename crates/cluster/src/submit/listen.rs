//! Receives results as they are stored.

use std::{convert::Infallible, time::Duration};

use async_nats::{
    datetime::DateTime,
    jetstream::{
        Message,
        consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull},
        stream::Stream,
    },
};
use futures_util::StreamExt;
use tokio::{sync::mpsc::UnboundedSender, time::sleep};

use super::{
    event::{Event, ResultMessage},
    guard::spawn,
    throttle::ErrorThrottle,
};
use crate::{Error, connect::Session, names::parse_subject};

/// Expiry of a pull request; then another one is sent.
const PULL_EXPIRY: Duration = Duration::from_secs(3);

/// Maximum number of results per pull request.
const PULL_SIZE: usize = 256;

/// Time after which the server removes the consumer of a submitter that is gone.
const INACTIVE_THRESHOLD: Duration = Duration::from_secs(120);

/// Delay after a failed request.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// Receives every result of the run that is stored after a certain message of the stream.
///
/// Uses a consumer that is created again after any error, starting after the last received result. The
/// consumer's state is not needed, because the sequence number in the stream decides.
pub(super) struct Listener {
    session: Session,
    results: Stream,
    /// Creation time of the stream that `after` refers to.
    created: DateTime,
    filter: String,
    after: u64,
    events: UnboundedSender<Event>,
    throttle: ErrorThrottle,
}

impl Listener {
    /// Starts the task that receives the results with matching subjects after a sequence number.
    pub(super) fn start(
        session: &Session,
        results: &Stream,
        (filter, after): (String, u64),
        events: &UnboundedSender<Event>,
        throttle: ErrorThrottle,
    ) {
        let listener = Listener {
            session: session.clone(),
            results: results.clone(),
            created: results.cached_info().created,
            filter,
            after,
            events: events.clone(),
            throttle,
        };
        spawn(events, listener.listen());
    }

    async fn listen(mut self) {
        while !self.events.is_closed() {
            let mut link = self.session.link.clone();
            let Ok(number) = link.wait_for(|link| link.up).await.map(|link| link.number) else { return };
            tokio::select! {
                Err(error) = self.receive() => self.throttle.record(&error.to_string()),
                _ = link.wait_for(|link| link.number != number) => {}
            }
            sleep(RETRY_DELAY).await;
        }
    }

    /// Receives results until an error.
    async fn receive(&mut self) -> Result<Infallible, Error> {
        let consumer = self.consumer().await?;
        self.throttle.clear();
        let mut expected = 1;
        loop {
            let request = consumer.batch().max_messages(PULL_SIZE).expires(PULL_EXPIRY);
            let mut results = request.messages().await.map_err(Error::server)?;
            let first_expected = expected;
            while let Some(message) = results.next().await {
                let message = message.map_err(Error::server)?;
                let info = message.info().map_err(Error::server)?;
                if info.consumer_sequence != expected {
                    return Err(Error::server("a result was lost in transit"));
                }
                expected += 1;
                self.after = info.stream_sequence;
                let sequence = info.stream_sequence;
                self.send_result(message, sequence);
            }
            if expected == first_expected {
                // Pull requests of a deleted consumer are not answered.
                consumer.get_info().await.map_err(Error::server)?;
            }
        }
    }

    async fn consumer(&mut self) -> Result<PullConsumer, Error> {
        // If the stream was created again, or a server has lost its last messages, new results have lower
        // sequence numbers.
        let info = self.results.get_info().await.map_err(Error::server)?;
        let is_new = std::mem::replace(&mut self.created, info.created) != info.created;
        if is_new || info.state.last_sequence < self.after {
            self.after = if is_new { 0 } else { info.state.last_sequence };
            let _ = self.events.send(Event::ResultsMissed);
        }
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.after + 1 },
            ack_policy: AckPolicy::None,
            filter_subject: self.filter.clone(),
            inactive_threshold: INACTIVE_THRESHOLD,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        self.results.create_consumer(config).await.map_err(Error::server)
    }

    fn send_result(&self, message: Message, sequence: u64) {
        if let Some((_, span)) = parse_subject(&message.subject) {
            let Message { message, .. } = message;
            let headers = message.headers.unwrap_or_default();
            let found = ResultMessage { span, sequence, headers, payload: message.payload };
            let _ = self.events.send(Event::Result(found));
        }
    }
}
