//! A delivered message.

use async_nats::HeaderMap;
use bytes::Bytes;

use crate::{RunId, names::Span, streams::Streams};

/// A delivered message, as its jobs are run.
pub(super) struct Delivery {
    pub(super) run: RunId,
    pub(super) span: Span,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
    /// Whether it may have been delivered before.
    pub(super) redelivered: bool,
    pub(super) streams: Streams,
}
