//! A queue's streams, made by whoever comes first. Why the settings are what they are: `docs/cluster.md`.

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
    batch::version,
    connect::Session,
    names::{Queue, Which},
};

/// The name of the nodes' common consumer.
pub(crate) const CONSUMER: &str = "nodes";

/// How long a batch may be silent before another node gets it, unless a node says otherwise.
pub(crate) const ACK_WAIT: Duration = Duration::from_secs(30);

/// A shorter one would have nodes do nothing but say that they are alive.
const SHORTEST_ACK_WAIT: Duration = Duration::from_millis(100);

/// Nodes that may wait for batches: the server's own choice is 512, and this cannot be changed later.
const MOST_WAITING: i64 = 16_384;

/// Batches that all nodes together may hold.
const MOST_HELD: i64 = 16_384;

/// While there is no answer.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// A publish that is repeated within this time is recognised by its id.
const DUPLICATES_WITHIN: Duration = Duration::from_secs(120);

/// How a queue's streams are made, if they are not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// How many servers keep each message: 1, 3 or 5.
    pub replicas: usize,
    /// The most bytes of jobs that wait; more are refused until some are done.
    pub max_bytes: Option<u64>,
}

/// One server, and no bound but the server's own.
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

/// A queue's streams.
#[derive(Clone)]
pub(crate) struct Streams {
    pub(crate) jobs: Stream,
    pub(crate) results: Stream,
    pub(crate) quarantine: Stream,
}

impl Streams {
    /// Finds the streams or makes them, and checks that they are for these jobs.
    pub(crate) async fn open(
        session: &Session,
        queue: &Queue,
        job_type: &str,
        settings: StreamSettings,
    ) -> Result<Streams, Error> {
        let open = |which| patiently(session, move || open(session, queue, which, job_type, settings));
        Ok(Streams {
            jobs: open(Which::Jobs).await?,
            results: open(Which::Results).await?,
            quarantine: open(Which::Quarantine).await?,
        })
    }

    /// Finds the streams; makes nothing, and looks at whatever there is.
    pub(crate) async fn find(session: &Session, queue: &Queue) -> Result<Streams, Error> {
        let find = async |which| {
            let found = get(session, queue, which).await?;
            found.ok_or_else(|| missing(queue, which))
        };
        Ok(Streams {
            jobs: find(Which::Jobs).await?,
            results: find(Which::Results).await?,
            quarantine: find(Which::Quarantine).await?,
        })
    }

    /// Identifies the streams as they were when they were opened or found.
    pub(crate) fn identity(&self) -> Identity {
        let created = |stream: &Stream| stream.cached_info().created;
        Identity {
            jobs: created(&self.jobs),
            results: created(&self.results),
            quarantine: created(&self.quarantine),
        }
    }

    /// The nodes' common consumer; with this ack wait if it is not there yet.
    pub(crate) async fn consumer(
        &self,
        session: &Session,
        ack_wait: Duration,
    ) -> Result<PullConsumer, Error> {
        let config = || pull::Config {
            durable_name: Some(CONSUMER.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ack_wait.max(SHORTEST_ACK_WAIT),
            // Without end: a node that gets a batch once too often judges it, and if it dies too, the next one does.
            max_deliver: -1,
            max_ack_pending: MOST_HELD,
            max_waiting: MOST_WAITING,
            ..pull::Config::default()
        };
        patiently(session, || async {
            self.jobs.get_or_create_consumer(CONSUMER, config()).await.map_err(of_consumer)
        })
        .await
    }

    /// Changes the ack wait, for all nodes.
    pub(crate) async fn set_ack_wait(
        &self,
        session: &Session,
        consumer: &PullConsumer,
        ack_wait: Duration,
    ) -> Result<PullConsumer, Error> {
        // The rest stays as it was made: not everything can be changed.
        let config = pull::Config::try_from_consumer_config(consumer.cached_info().config.clone());
        let config =
            pull::Config { ack_wait: ack_wait.max(SHORTEST_ACK_WAIT), ..config.map_err(Error::server)? };
        patiently(session, || async { self.jobs.create_consumer(config.clone()).await.map_err(of_consumer) })
            .await
    }
}

/// The error for a stream that does not exist.
fn missing(queue: &Queue, which: Which) -> Error {
    match which {
        Which::Jobs => Error::NoQueue { queue: queue.clone() },
        _ => Error::NoStream { queue: queue.clone(), stream: queue.stream(which) },
    }
}

fn of_consumer(error: ConsumerError) -> Error {
    match error.kind() {
        ConsumerErrorKind::TimedOut | ConsumerErrorKind::Request => Error::NoAnswer(error.to_string()),
        ConsumerErrorKind::JetStream(refusal) if is_not_ready(refusal.error_code()) => {
            Error::NoAnswer(error.to_string())
        }
        _ => Error::server(error),
    }
}

/// Asks again while there is no answer. Where there are several servers, a stream that several make at a time takes a while.
async fn patiently<T, F: Future<Output = Result<T, Error>>>(
    session: &Session,
    mut ask: impl FnMut() -> F,
) -> Result<T, Error> {
    let start = Instant::now();
    loop {
        match ask().await {
            Err(Error::NoAnswer(_)) if start.elapsed() < session.patience => sleep(ASK_AGAIN_AFTER).await,
            answer => return answer,
        }
    }
}

/// Servers that have not found each other yet.
pub(crate) fn is_not_ready(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::CLUSTER_NOT_AVAILABLE | ErrorCode::CLUSTER_NOT_LEADER | ErrorCode::CLUSTER_NO_PEERS
    )
}

fn description(queue: &Queue, job_type: &str) -> String {
    format!("runner queue {queue}, {}", version(job_type))
}

fn config(queue: &Queue, which: Which, description: String, settings: StreamSettings) -> Config {
    let subjects = match which {
        // Pieces of large messages lie among the results: the queue's one consumer must not get them.
        Which::Results => vec![queue.all(which, None), queue.parts(None)],
        Which::Quarantine => vec![queue.all(which, None), queue.all_attempts(None), queue.all_claims()],
        Which::Jobs => vec![queue.all(which, None)],
    };
    let max_bytes = settings.max_bytes.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(-1);
    Config {
        name: queue.stream(which),
        description: Some(description),
        subjects,
        retention: if which == Which::Jobs { RetentionPolicy::WorkQueue } else { RetentionPolicy::Limits },
        storage: StorageType::File,
        // What is stored is never thrown away for what comes later.
        discard: DiscardPolicy::New,
        max_bytes: if which == Which::Jobs { max_bytes } else { -1 },
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_age: Duration::ZERO,
        duplicate_window: DUPLICATES_WITHIN,
        num_replicas: settings.replicas,
        ..Config::default()
    }
}

/// One of the queue's streams, if it is there.
pub(crate) async fn get(session: &Session, queue: &Queue, which: Which) -> Result<Option<Stream>, Error> {
    match session.jetstream.get_stream(queue.stream(which)).await {
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
    which: Which,
    job_type: &str,
    settings: StreamSettings,
) -> Result<Stream, Error> {
    let expected = description(queue, job_type);
    let stream = match get(session, queue, which).await? {
        Some(stream) => stream,
        None => create(session, queue, which, config(queue, which, expected.clone(), settings)).await?,
    };
    let found = stream.cached_info().config.description.clone().unwrap_or_default();
    match found == expected {
        true => Ok(stream),
        false => Err(Error::Version { queue: queue.clone(), found, expected }),
    }
}

async fn create(session: &Session, queue: &Queue, which: Which, config: Config) -> Result<Stream, Error> {
    let error = match session.jetstream.create_stream(config).await {
        Ok(stream) => return Ok(stream),
        Err(error) => error,
    };
    let CreateStreamErrorKind::JetStream(refusal) = error.kind() else {
        return Err(Error::NoAnswer(error.to_string()));
    };
    match refusal.error_code() {
        // Somebody else was faster, with other settings.
        ErrorCode::STREAM_NAME_EXIST => {
            get(session, queue, which).await?.ok_or_else(|| Error::NoQueue { queue: queue.clone() })
        }
        ErrorCode::STORAGE_RESOURCES_EXCEEDED
        | ErrorCode::INSUFFICIENT_RESOURCES
        | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED => {
            Err(Error::NoRoom { queue: queue.clone(), cause: refusal.to_string() })
        }
        code if is_not_ready(code) => Err(Error::NoAnswer(refusal.to_string())),
        _ => Err(Error::server(error)),
    }
}
