//! Settings of a node.

use std::time::Duration;

use crate::{Queue, StreamSettings};

/// Settings of a node.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// Queue to serve.
    pub queue: Queue,
    /// Name of the node in the status and in results, such as `host:pid`.
    pub name: String,
    /// Program and version, shown in the status.
    pub version: String,
    /// Time without an acknowledgement or heartbeat after which a message is redelivered, for all nodes of
    /// the queue. `None` leaves it unchanged; a new queue has 30 seconds.
    pub ack_wait: Option<Duration>,
    /// Maximum number of times a message is started before it is quarantined. 0 counts as 1.
    pub max_deliveries: u64,
    /// Grace period of running jobs after the first request to leave.
    pub grace: Duration,
    /// Settings for creating streams that do not exist.
    pub streams: StreamSettings,
}
