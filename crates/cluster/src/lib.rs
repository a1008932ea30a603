//! Runs jobs on many machines, queued by NATS JetStream.
//!
//! Internal; unstable; use `runner-tool`.
//!
//! A *queue* is three streams on a NATS server. A submitter, [`ClusterExecutor`], packs its jobs into
//! *messages* and publishes them. *Nodes* ([`serve`]) pull messages, run the jobs of each on a local
//! [`ProcessPool`](pool::ProcessPool), store the outcomes as one result, and only then acknowledge the
//! message. Delivery is at-least-once, but each message has exactly one result: the server rejects every
//! later one.
//!
//! All state is on the server, so submitters and nodes can be killed at any time. A submitter that is
//! restarted under the same [`RunId`] asks which messages are queued and which have results (their job ranges
//! are in their subjects), reads the results, and publishes only the messages that have neither.
//!
//! All asynchronous code runs on a private runtime with a thread of its own; callers need no runtime.

mod chunks;
mod clean;
mod connect;
mod error;
mod message;
mod names;
mod node;
mod outcome;
mod position;
mod publish;
mod remove;
mod resume;
mod runtime;
mod status;
mod streams;
mod submit;

pub use clean::{CleanSummary, clean};
pub use connect::{Address, Connection, Credentials, InvalidAddress, Secret, Tls};
pub use error::Error;
pub use names::{InvalidName, Queue, RunId};
pub use node::{DrainHandle, NodeEvent, NodeSettings, NodeSummary, serve};
pub use status::{NodeStatus, QuarantinedMessage, RunStatus, Status, status};
pub use streams::StreamSettings;
pub use submit::{ClusterExecutor, SubmitEvent, SubmitSettings};

/// Version of the messages' layout and meaning, and of the job types' encoding. All submitters and nodes of a
/// queue must have the same one.
pub const PROTOCOL_VERSION: u32 = 1;
