//! Messages in flight to a node.

use async_nats::{datetime::DateTime, jetstream::Message};
use tokio::task::AbortHandle;

use super::handle::Disposition;
use crate::{RunId, names::Span};

/// A message in flight to this node.
pub(super) struct InFlight {
    /// The latest delivery, which is the one to acknowledge.
    pub(super) delivery: Message,
    /// Creation time of the consumer that delivered it.
    pub(super) consumer: DateTime,
    pub(super) run: RunId,
    pub(super) span: Span,
    pub(super) redelivered: bool,
    /// Distinguishes it from earlier messages with the same subject.
    pub(super) number: u64,
    pub(super) task: AbortHandle,
}

/// Result of handling a message.
pub(super) struct Finished {
    pub(super) subject: String,
    pub(super) number: u64,
    pub(super) disposition: Disposition,
}
