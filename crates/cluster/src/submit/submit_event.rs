//! Events of a submitter.

use crate::Queue;

/// Events of a submitter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitEvent {
    /// The connection was lost. Reconnecting is retried until it succeeds.
    Disconnected,
    /// The connection was restored.
    Reconnected,
    /// Jobs are pending, no result has come for five seconds, and no node of the queue answers.
    Unserved(Queue),
    /// After `Unserved`: a node answers or has stored a result.
    Served(Queue),
    /// For longer than the connection's timeout the server has rejected or not answered a request, for this
    /// reason, although there is a connection. The request is retried.
    Retrying(String),
}
