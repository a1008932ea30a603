//! Errors of this crate.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use async_nats::jetstream::ErrorCode;

use crate::names::{Queue, RunId};

/// An error of a cluster operation.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No server answers at the addresses.
    #[error("cannot reach a NATS server at {server} within {} s: {cause}", .waited.as_secs_f64())]
    Unreachable {
        /// Addresses of the servers.
        server: String,
        /// How long connecting was attempted.
        waited: Duration,
        /// Error of the last attempt.
        cause: String,
    },
    /// The server rejected the credentials, or requires some.
    #[error("the NATS server at {server} rejected the credentials: {cause}")]
    Unauthorized {
        /// Addresses of the servers.
        server: String,
        /// The server's message.
        cause: String,
    },
    /// A TLS connection could not be opened.
    #[error("cannot open a TLS connection to {server}: {cause}")]
    Tls {
        /// Addresses of the servers.
        server: String,
        /// The cause.
        cause: String,
    },
    /// A file with credentials or certificates could not be read or is not valid.
    #[error("cannot use {}: {cause}", path.display())]
    File {
        /// Path of the file.
        path: PathBuf,
        /// The cause.
        cause: String,
    },
    /// The server runs without JetStream, or the account may not use it.
    #[error(
        "the NATS server at {server} has no JetStream (start it with -js, or enable it for the account): \
         {cause}"
    )]
    NoJetStream {
        /// Addresses of the servers.
        server: String,
        /// The server's message.
        cause: String,
    },
    /// The queue was created by another protocol version or for another job type.
    #[error("queue {queue} has another version: expected \"{expected}\", found \"{found}\"")]
    Version {
        /// The queue.
        queue: Queue,
        /// Description of the stream.
        found: String,
        /// Expected description.
        expected: String,
    },
    /// The queue does not exist.
    #[error("queue {queue} does not exist")]
    NoQueue {
        /// The queue.
        queue: Queue,
    },
    /// One of the queue's streams was deleted.
    #[error("stream {stream} of queue {queue} was deleted")]
    NoStream {
        /// The queue.
        queue: Queue,
        /// Name of the stream.
        stream: String,
    },
    /// The server has no space for a stream or a message.
    #[error("the NATS server has no space for queue {queue}: {cause}")]
    NoSpace {
        /// The queue.
        queue: Queue,
        /// The server's message.
        cause: String,
    },
    /// The jobs stream is full, and no message left it for the connection's timeout.
    #[error(
        "queue {queue} is full, and no job left it for {} s: {cause}; run {run} can be resumed",
        .waited.as_secs_f64()
    )]
    Full {
        /// The queue.
        queue: Queue,
        /// The run.
        run: RunId,
        /// How long there was no progress.
        waited: Duration,
        /// The server's message.
        cause: String,
    },
    /// The run has messages or results of other jobs than those that were submitted.
    #[error("job {job} differs from the one stored for run {run}: digest mismatch; choose another run id")]
    JobsDiffer {
        /// The run.
        run: RunId,
        /// First job of the message.
        job: u64,
    },
    /// The run has messages or results of more jobs than were submitted.
    #[error("run {run} has jobs up to {last}, but the input ended after {read} jobs; choose another run id")]
    TooFewJobs {
        /// The run.
        run: RunId,
        /// Last job of the run that is known to the server.
        last: u64,
        /// Number of jobs that were submitted.
        read: u64,
    },
    /// Another submitter is running this run.
    #[error("run {run} is in use by another submitter")]
    InUse {
        /// The run.
        run: RunId,
    },
    /// Another submitter took over the run because this one could not be reached.
    #[error("another submitter took over run {run} because this one could not be reached")]
    TakenOver {
        /// The run.
        run: RunId,
    },
    /// A stored result could not be decoded.
    #[error("cannot read the result of jobs {first} to {last} of run {run}: {cause}")]
    Unreadable {
        /// The run.
        run: RunId,
        /// First job of the message.
        first: u64,
        /// Last job of the message.
        last: u64,
        /// The cause.
        cause: String,
    },
    /// A node could not read the jobs of a message.
    #[error(
        "cannot read jobs {first} to {last} of run {run} from the queue: {cause}; run {run} can be resumed"
    )]
    IncompleteMessage {
        /// The run.
        run: RunId,
        /// First job of the message.
        first: u64,
        /// Last job of the message.
        last: u64,
        /// The cause, as the node reported it.
        cause: String,
    },
    /// A chunk of a large message is missing from the results stream.
    #[error("a chunk of the message is missing")]
    MissingChunk,
    /// A thread or task of the submitter panicked.
    #[error("the submitter panicked: this is a bug in runner")]
    Panicked,
    /// The node's pool cannot run jobs any more.
    #[error("the pool broke: {0}")]
    Pool(Arc<str>),
    /// The server did not answer in time, or is not ready: the servers of a cluster are electing a leader, or
    /// are busy. Worth a retry.
    #[error("no answer from the NATS server: {0}")]
    NoAnswer(String),
    /// The server rejected a request for another reason.
    #[error("NATS request failed: {0}")]
    Server(String),
    /// The thread of the private runtime could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(Arc<io::Error>),
}

impl Error {
    /// Wraps an error of the NATS client.
    pub(crate) fn server(error: impl std::fmt::Display) -> Error {
        Error::Server(error.to_string())
    }

    pub(crate) fn thread(error: io::Error) -> Error {
        Error::Thread(Arc::new(error))
    }
}

/// Returns whether the code means that the servers of a cluster are not ready yet.
pub(crate) fn is_not_ready(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::CLUSTER_NOT_AVAILABLE | ErrorCode::CLUSTER_NOT_LEADER | ErrorCode::CLUSTER_NO_PEERS
    )
}
