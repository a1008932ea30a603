//! What can be wrong with a cluster.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use crate::names::{Queue, RunId};

/// Why a cluster cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers at the address.
    #[error("cannot reach a NATS server at {server} within {} s: {cause}", .waited.as_secs_f64())]
    Unreachable {
        /// The addresses.
        server: String,
        /// For how long it was tried.
        waited: Duration,
        /// The last attempt's error.
        cause: String,
    },
    /// The server wants other credentials, or some.
    #[error("the NATS server at {server} refuses the credentials: {cause}")]
    Refused {
        /// The addresses.
        server: String,
        /// What it says.
        cause: String,
    },
    /// No encrypted connection could be made.
    #[error("no TLS connection to {server}: {cause}")]
    Tls {
        /// The addresses.
        server: String,
        /// What is wrong.
        cause: String,
    },
    /// A file of credentials or certificates cannot be read.
    #[error("cannot use {}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// The server runs without JetStream, or this account may not use it.
    #[error(
        "the NATS server at {server} has no JetStream (start it with -js, or enable it for the account): {cause}"
    )]
    NoJetStream {
        /// The addresses.
        server: String,
        /// What it says.
        cause: String,
    },
    /// The queue was made by another version or for other jobs.
    #[error("the queue {queue} is of another version: it says \"{found}\", and this program \"{expected}\"")]
    Version {
        /// The queue.
        queue: Queue,
        /// What its stream says of itself.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// There is no such queue.
    #[error("there is no queue {queue}")]
    NoQueue {
        /// The queue.
        queue: Queue,
    },
    /// One of the queue's streams was deleted.
    #[error("the stream {stream} of the queue {queue} was deleted")]
    NoStream {
        /// The queue.
        queue: Queue,
        /// The stream.
        stream: String,
    },
    /// A stream could not be made for lack of room.
    #[error("the server has no room for the queue {queue}: {cause}")]
    NoRoom {
        /// The queue.
        queue: Queue,
        /// What it says.
        cause: String,
    },
    /// Batches are refused because the stream is full, and it does not get emptier.
    #[error("the queue {queue} takes no more jobs, and nothing left it for {} s: {cause}; the run {run} can be resumed", .waited.as_secs_f64())]
    Full {
        /// The queue.
        queue: Queue,
        /// The run.
        run: RunId,
        /// For how long nothing went on.
        waited: Duration,
        /// What the server says.
        cause: String,
    },
    /// The run has results of other jobs than those that were submitted.
    #[error(
        "job {job} is not the one of run {run}: its batch of jobs has another digest; choose another run id"
    )]
    OtherJobs {
        /// The run.
        run: RunId,
        /// The first job of the batch.
        job: u64,
    },
    /// The run has results of more jobs than were submitted.
    #[error(
        "the run {run} goes on to job {last}, and the input ended after {read} jobs; choose another run id"
    )]
    TooFewJobs {
        /// The run.
        run: RunId,
        /// The last job that is known.
        last: u64,
        /// How many jobs there were.
        read: u64,
    },
    /// Another submitter is at work on the run.
    #[error("another submitter is at work on the run {run}")]
    InUse {
        /// The run.
        run: RunId,
    },
    /// Another submitter goes on with the run, because this one was not to be heard.
    #[error("another submitter has taken over the run {run}, because this one could not be reached")]
    TakenOver {
        /// The run.
        run: RunId,
    },
    /// What is stored under a result's name is no result.
    #[error("the result of jobs {first} to {last} of run {run} cannot be read: {cause}")]
    Unreadable {
        /// The run.
        run: RunId,
        /// The first job of the batch.
        first: u64,
        /// The last.
        last: u64,
        /// What is wrong.
        cause: String,
    },
    /// A node could not put a batch of jobs together.
    #[error(
        "the jobs {first} to {last} of run {run} cannot be read from the queue: {cause}; the run {run} can be resumed"
    )]
    IncompleteBatch {
        /// The run.
        run: RunId,
        /// The first job of the batch.
        first: u64,
        /// The last.
        last: u64,
        /// The cause, as the node reported it.
        cause: String,
    },
    /// A piece of a large message is not stored any more.
    #[error("a piece of it is missing")]
    MissingPiece,
    /// A thread or task of the submitter panicked.
    #[error("the submitter panicked: this is a bug in runner")]
    Panicked,
    /// The local pool cannot run jobs.
    #[error("the pool broke: {0}")]
    Pool(Arc<str>),
    /// The server did not answer, or not yet: servers of a cluster are choosing a leader, or are busy.
    #[error("the NATS server does not answer: {0}")]
    NoAnswer(String),
    /// The server answered something that was not foreseen.
    #[error("the NATS server cannot do that: {0}")]
    Server(String),
    /// The private runtime could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(Arc<io::Error>),
}

impl Error {
    /// Of anything that the client reports.
    pub(crate) fn server(error: impl std::fmt::Display) -> Error {
        Error::Server(error.to_string())
    }

    pub(crate) fn thread(error: io::Error) -> Error {
        Error::Thread(Arc::new(error))
    }
}
