//! Events of a node.

use std::time::Duration;

use crate::RunId;

/// Events of a node, in the order in which they happen.
#[derive(Clone, Debug)]
pub enum NodeEvent {
    /// The node has joined the queue.
    Joined {
        /// Addresses of the servers.
        server: String,
        /// Time without an acknowledgement or heartbeat after which a message is redelivered.
        ack_wait: Duration,
    },
    /// The connection was lost; jobs keep running.
    Disconnected,
    /// The connection was restored.
    Reconnected,
    /// The result of a message was stored.
    Done {
        /// Run of the message.
        run: RunId,
        /// First job of the message.
        first: u64,
        /// Number of jobs.
        count: u64,
        /// Worker time of all jobs in seconds.
        cost: f64,
    },
    /// A message was quarantined.
    QuarantinedMessage {
        /// Run of the message.
        run: RunId,
        /// First job of the message.
        first: u64,
        /// Number of jobs.
        count: u64,
        /// Number of times it was started before.
        deliveries: u64,
    },
    /// A message of another version or job type, or not made by a submitter at all, was moved to quarantine.
    Foreign {
        /// Run according to its subject.
        run: RunId,
        /// First job of the message.
        first: u64,
        /// Number of jobs.
        count: u64,
    },
    /// A message whose subject is not valid was removed from the queue.
    InvalidSubject {
        /// Subject of the message.
        subject: String,
    },
    /// The jobs of a message could not be read, because a chunk is missing. Its run ends with this cause.
    Incomplete {
        /// Run of the message.
        run: RunId,
        /// First job of the message.
        first: u64,
        /// Number of jobs.
        count: u64,
        /// The cause.
        cause: String,
    },
    /// A stream of the queue or the nodes' consumer was deleted, and has been created again by this node or
    /// another one.
    Restored,
    /// An operation failed and will be retried.
    Retrying(String),
}
