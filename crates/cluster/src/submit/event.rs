//! Events that tasks send to the coordinator.

use std::time::Instant;

use async_nats::HeaderMap;
use bytes::Bytes;

use super::snapshot::QueueSnapshot;
use crate::{Error, names::Span, streams::Identity};

/// Events from the runtime's other tasks.
pub(super) enum Event {
    /// A message is in the queue, under this sequence number.
    Published(Span, u64),
    Result(ResultMessage),
    /// The server has answered whether the queue's streams exist.
    Checked(Checked),
    /// A request was rejected or not answered: a stream may have been deleted.
    CheckStreams,
    /// A result with chunks has been loaded, or cannot be.
    Loaded(Span, Result<Bytes, Error>),
    /// The message has no result.
    NotFound(Span),
    /// A message of an earlier submitter is in the queue, under this sequence number and with this digest.
    Queued(Span, u64, String),
    /// Which messages are in the queue.
    Snapshot(QueueSnapshot),
    /// Whether a node has answered a ping.
    PingAnswered(bool),
    /// The results stream has been created again, or a server has lost some results: events may have been
    /// missed.
    ResultsMissed,
    /// An error has lasted for the connection's timeout, and is retried.
    ErrorPersists(String),
    /// The run failed.
    Failed(Error),
}

/// A stored result, as received.
pub(super) struct ResultMessage {
    pub(super) span: Span,
    /// Sequence number in the results stream.
    pub(super) sequence: u64,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
}

/// Answer of the server to a check of the streams, and when it was requested.
pub(super) struct Checked {
    pub(super) requested_at: Instant,
    pub(super) answer: Result<Identity, Error>,
}
