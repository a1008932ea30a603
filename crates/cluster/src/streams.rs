//! The streams of a queue, created by the first submitter or node. `docs/src/cluster.md` gives the reasons
//! for the settings.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use async_nats::{
    datetime::DateTime,
    jetstream::{
        ErrorCode,
        consumer::{AckPolicy, FromConsumer, PullConsumer, pull},
        context::{CreateStreamErrorKind, GetStreamErrorKind},
        stream::{
            Config, ConsumerError, ConsumerErrorKind, DiscardPolicy, RetentionPolicy, StorageType, Stream,
        },
    },
};
use tokio::time::sleep;

use crate::{
    Error,
    connect::Session,
    error::is_not_ready,
    message::version,
    names::{Queue, StreamKind},
};

/// Name of the consumer that all nodes share.
pub(crate) const CONSUMER: &str = "nodes";

/// Default ack wait: time without an acknowledgement or heartbeat after which a message is redelivered.
pub(crate) const ACK_WAIT: Duration = Duration::from_secs(30);

/// Minimum ack wait. A shorter one would have nodes send heartbeats only.
const MIN_ACK_WAIT: Duration = Duration::from_millis(100);

/// Maximum number of waiting pull requests. The server's default is 512, and it cannot be changed later.
const MAX_WAITING: i64 = 16_384;

/// Maximum number of messages in flight to all nodes together.
const MAX_ACK_PENDING: i64 = 16_384;

/// Delay before a request without an answer is sent again.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// Time within which the server recognises a repeated publish by its message id.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// Settings for creating the streams of a queue that do not exist yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// Number of servers that store each message: 1, 3 or 5.
    pub replicas: usize,
    /// Maximum size of the jobs stream in bytes; when it is full, publishing waits. `None`: no limit.
    pub max_bytes: Option<u64>,
}

/// One replica, and no limit but the server's own.
impl Default for StreamSettings {
    fn default() -> StreamSettings {
        StreamSettings { replicas: 1, max_bytes: None }
    }
}

/// Creation times of a queue's streams. A stream that was deleted and created again has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) jobs: DateTime,
    results: DateTime,
    quarantine: DateTime,
}

/// Handles to the streams of a queue.
#[derive(Clone)]
pub(crate) struct Streams {
    pub(crate) jobs: Stream,
    pub(crate) results: Stream,
    pub(crate) quarantine: Stream,
}

impl Streams {
    /// Opens the streams, creating missing ones, and checks that they have this protocol version and job
    /// type.
    pub(crate) async fn open(
        session: &Session,
        queue: &Queue,
        job_type: &str,
        settings: StreamSettings,
    ) -> Result<Streams, Error> {
        let open = |kind| with_retries(session, move || open(session, queue, kind, job_type, settings));
        Ok(Streams {
            jobs: open(StreamKind::Jobs).await?,
            results: open(StreamKind::Results).await?,
            quarantine: open(StreamKind::Quarantine).await?,
        })
    }

    /// Opens the streams without creating any and without checking their version.
    pub(crate) async fn find(session: &Session, queue: &Queue) -> Result<Streams, Error> {
        let find = async |kind| {
            let found = get(session, queue, kind).await?;
            found.ok_or_else(|| missing_stream(queue, kind))
        };
        Ok(Streams {
            jobs: find(StreamKind::Jobs).await?,
            results: find(StreamKind::Results).await?,
            quarantine: find(StreamKind::Quarantine).await?,
        })
    }

    /// Returns the creation times of the streams as of when they were opened.
    pub(crate) fn identity(&self) -> Identity {
        let created = |stream: &Stream| stream.cached_info().created;
        Identity {
            jobs: created(&self.jobs),
            results: created(&self.results),
            quarantine: created(&self.quarantine),
        }
    }

    /// Opens the nodes' consumer, or creates it with this ack wait.
    pub(crate) async fn consumer(
        &self,
        session: &Session,
        ack_wait: Duration,
    ) -> Result<PullConsumer, Error> {
        let config = || pull::Config {
            durable_name: Some(CONSUMER.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ack_wait.max(MIN_ACK_WAIT),
            // No limit on deliveries: the node that gets a message once too often quarantines it, and if that
            // node dies, the next one does.
            max_deliver: -1,
            max_ack_pending: MAX_ACK_PENDING,
            max_waiting: MAX_WAITING,
            ..pull::Config::default()
        };
        with_retries(session, || async {
            self.jobs.get_or_create_consumer(CONSUMER, config()).await.map_err(consumer_error)
        })
        .await
    }

    /// Changes the ack wait of the consumer, for all nodes.
    pub(crate) async fn set_ack_wait(
        &self,
        session: &Session,
        consumer: &PullConsumer,
        ack_wait: Duration,
    ) -> Result<PullConsumer, Error> {
        // The other settings are kept, because not all of them can be changed.
        let config = pull::Config::try_from_consumer_config(consumer.cached_info().config.clone());
        let config = pull::Config { ack_wait: ack_wait.max(MIN_ACK_WAIT), ..config.map_err(Error::server)? };
        with_retries(session, || async {
            self.jobs.create_consumer(config.clone()).await.map_err(consumer_error)
        })
        .await
    }
}

/// Returns the error for a stream that does not exist.
fn missing_stream(queue: &Queue, kind: StreamKind) -> Error {
    match kind {
        StreamKind::Jobs => Error::NoQueue { queue: queue.clone() },
        _ => Error::NoStream { queue: queue.clone(), stream: queue.stream(kind) },
    }
}

fn consumer_error(error: ConsumerError) -> Error {
    match error.kind() {
        ConsumerErrorKind::TimedOut | ConsumerErrorKind::Request => Error::NoAnswer(error.to_string()),
        ConsumerErrorKind::JetStream(refusal) if is_not_ready(refusal.error_code()) => {
            Error::NoAnswer(error.to_string())
        }
        _ => Error::server(error),
    }
}

/// Retries a request while the server does not answer, for the connection's timeout. With several servers,
/// creating a stream from several clients at once takes a while.
async fn with_retries<T, F: Future<Output = Result<T, Error>>>(
    session: &Session,
    mut request: impl FnMut() -> F,
) -> Result<T, Error> {
    let start = Instant::now();
    loop {
        match request().await {
            Err(Error::NoAnswer(_)) if start.elapsed() < session.retry_timeout => sleep(RETRY_DELAY).await,
            result => return result,
        }
    }
}

fn description(queue: &Queue, job_type: &str) -> String {
    format!("runner queue {queue}, {}", version(job_type))
}

fn config(queue: &Queue, kind: StreamKind, description: String, settings: StreamSettings) -> Config {
    let subjects = match kind {
        // Chunks of large messages are in the results stream, because the consumer of the jobs stream must
        // not receive them.
        StreamKind::Results => vec![queue.subjects(kind, None), queue.chunks(None)],
        StreamKind::Quarantine => {
            vec![queue.subjects(kind, None), queue.all_attempts(None), queue.all_claims()]
        }
        StreamKind::Jobs => vec![queue.subjects(kind, None)],
    };
    let max_bytes = settings.max_bytes.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(-1);
    Config {
        name: queue.stream(kind),
        description: Some(description),
        subjects,
        retention: if kind == StreamKind::Jobs {
            RetentionPolicy::WorkQueue
        } else {
            RetentionPolicy::Limits
        },
        storage: StorageType::File,
        // Reject new messages when full; never drop old ones.
        discard: DiscardPolicy::New,
        max_bytes: if kind == StreamKind::Jobs { max_bytes } else { -1 },
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_age: Duration::ZERO,
        duplicate_window: DUPLICATE_WINDOW,
        num_replicas: settings.replicas,
        ..Config::default()
    }
}

/// Opens one of the queue's streams; `None` if it does not exist.
pub(crate) async fn get(session: &Session, queue: &Queue, kind: StreamKind) -> Result<Option<Stream>, Error> {
    match session.jetstream.get_stream(queue.stream(kind)).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                Ok(None)
            }
            GetStreamErrorKind::JetStream(refusal) if is_not_ready(refusal.error_code()) => {
                Err(Error::NoAnswer(error.to_string()))
            }
            GetStreamErrorKind::Request => Err(Error::NoAnswer(error.to_string())),
            _ => Err(Error::server(error)),
        },
    }
}

async fn open(
    session: &Session,
    queue: &Queue,
    kind: StreamKind,
    job_type: &str,
    settings: StreamSettings,
) -> Result<Stream, Error> {
    let expected = description(queue, job_type);
    let stream = match get(session, queue, kind).await? {
        Some(stream) => stream,
        None => create(session, queue, kind, config(queue, kind, expected.clone(), settings)).await?,
    };
    let found = stream.cached_info().config.description.clone().unwrap_or_default();
    match found == expected {
        true => Ok(stream),
        false => Err(Error::Version { queue: queue.clone(), found, expected }),
    }
}

async fn create(session: &Session, queue: &Queue, kind: StreamKind, config: Config) -> Result<Stream, Error> {
    let error = match session.jetstream.create_stream(config).await {
        Ok(stream) => return Ok(stream),
        Err(error) => error,
    };
    let CreateStreamErrorKind::JetStream(refusal) = error.kind() else {
        return Err(Error::NoAnswer(error.to_string()));
    };
    match refusal.error_code() {
        // Another client has created it meanwhile, with other settings.
        ErrorCode::STREAM_NAME_EXIST => {
            get(session, queue, kind).await?.ok_or_else(|| Error::NoQueue { queue: queue.clone() })
        }
        ErrorCode::STORAGE_RESOURCES_EXCEEDED
        | ErrorCode::INSUFFICIENT_RESOURCES
        | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED => {
            Err(Error::NoSpace { queue: queue.clone(), cause: refusal.to_string() })
        }
        code if is_not_ready(code) => Err(Error::NoAnswer(refusal.to_string())),
        _ => Err(Error::server(error)),
    }
}
