//! The same jobs on many machines, queued by NATS JetStream.
//!
//! A *queue* is three streams on a NATS server. A submitter, [`ClusterExecutor`], cuts its jobs into batches and publishes
//! them; *nodes* ([`serve`]) pull batches, run each on a local [`ProcessPool`](pool::ProcessPool), store its outcomes, and
//! only then acknowledge it. Outcomes are stored once for each batch, whoever ran it and however often: the server
//! refuses the second result of a batch.
//!
//! The server keeps what there is to know, so that everybody else may die: a submitter that is started again under the
//! same [`RunId`] asks which batches are queued and which have results (their places are in their subjects),
//! takes the results, and publishes only what is in neither.
//!
//! Everything asynchronous happens on a private runtime, on a thread of its own; no runtime is needed to use this crate.

mod batch;
mod clean;
mod connect;
mod delivered;
mod error;
mod names;
mod node;
mod parts;
mod publish;
mod remove;
mod runtime;
mod spans;
mod status;
mod streams;
mod submit;
mod verdict;

pub use clean::{Cleaned, clean};
pub use connect::{Address, BadAddress, Connection, Credentials, Secret, Tls};
pub use error::Error;
pub use names::{BadName, Queue, RunId};
pub use node::{Leave, NodeNews, NodeSettings, NodeSummary, serve};
pub use status::{NodeStatus, Quarantined, RunStatus, Status, status};
pub use streams::StreamSettings;
pub use submit::{ClusterExecutor, SubmitNews, SubmitSettings};

/// Changes whenever a message's layout or meaning does, or that of a job type; all who share a queue must have the same.
pub const PROTOCOL_VERSION: u32 = 1;
