//! Messages that both sides exchange before the first batch and after the last one.
//!
//! ```text
//! worker              parent
//! Hello          ->
//!                <-   Welcome
//! Ready, Failed  ->
//!                    (batches)
//!                    closes its end
//! FinalReport    ->
//! ```
//! A worker that exits because a process that its job depends on has died sends a [`job::Crash`] instead of
//! the report.
//!
//! These messages are encoded by postcard, whichever codec encodes jobs. So a worker that was built with
//! other features than its parent can answer that it lacks the codec.
//!
//! A parent that cannot accept the `Hello` kills the worker and returns the [reason](Mismatch) to its caller.

use std::fmt;

use sandbox::Sandbox;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    CodecError, Message, PROTOCOL_VERSION, Tag,
    codec::{postcard, sink::Sink},
};

/// First message of a worker.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`] of the worker's build.
    pub protocol: u32,
    /// Name of the job type that the worker serves.
    pub job_type: String,
}

impl Hello {
    /// Creates the hello of a worker of this build.
    #[must_use]
    pub fn new(job_type: &str) -> Hello {
        Hello { protocol: PROTOCOL_VERSION, job_type: job_type.to_owned() }
    }

    /// Checks that the worker can run jobs of type `job_type` for a parent of this build.
    ///
    /// # Errors
    /// [`Mismatch`] if the protocol version or the job type differs.
    pub fn check(&self, job_type: &str) -> Result<(), Mismatch> {
        if self.protocol != PROTOCOL_VERSION {
            return Err(Mismatch::Protocol { theirs: self.protocol });
        }
        if self.job_type != job_type {
            return Err(Mismatch::JobType { ours: job_type.to_owned(), theirs: self.job_type.clone() });
        }
        Ok(())
    }
}

/// A worker that does not match its parent.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The protocol versions differ.
    #[error("protocol version {theirs}, expected {PROTOCOL_VERSION}")]
    Protocol {
        /// Protocol version of the worker.
        theirs: u32,
    },
    /// The job types differ.
    #[error("job type `{theirs}`, expected `{ours}`")]
    JobType {
        /// Job type of the parent.
        ours: String,
        /// Job type of the worker.
        theirs: String,
    },
}

/// Means of transport for jobs and outcomes between a parent and its workers.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::settings::Transport;
///
/// assert_eq!(Transport::default(), Transport::Rings);
/// assert_eq!(Transport::Channel.to_string(), "channel");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// Ring buffers in memory that the parent shares with each worker. A system call is made only to wake a
    /// sleeping process.
    #[default]
    Rings,
    /// One socket for each worker, by ipc-channel.
    Channel,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Rings => "rings",
            Transport::Channel => "channel",
        })
    }
}

/// Answer of the parent to a [`Hello`].
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// [Number](crate::CodecKind::number) of the codec for jobs and outcomes. The worker may have been built
    /// without it.
    pub codec: u32,
    /// Transport for jobs and outcomes.
    pub transport: Transport,
    /// Memory limit of the worker in bytes; `None` for no limit.
    pub max_memory: Option<u64>,
    /// Maximum size of an encoded outcome in bytes.
    pub max_outcome: u64,
    /// Restrictions that the worker applies once its context is created.
    pub sandbox: Sandbox,
    /// Arguments of the worker's context, encoded by `codec`.
    pub context: Vec<u8>,
}

/// Last message of the handshake: the result of creating the worker's context.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Started {
    /// The context was created and the sandbox applied; the worker accepts jobs.
    Ready {
        /// Parts of the sandbox that are missing.
        sandbox_gaps: Vec<String>,
    },
    /// The context could not be created or the sandbox not applied, for this reason; the worker exits.
    Failed(String),
}

/// Last message of a worker that exits normally.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FinalReport {
    /// The context was finished; its report, encoded like an outcome.
    Report(Vec<u8>),
    /// The context could not be finished, for this reason.
    Failed(String),
}

/// Encodes a value of the handshake as a message.
///
/// # Panics
/// Never for the types of this module: encoding them cannot fail.
#[must_use]
pub fn pack<T: Serialize>(value: &T) -> Message {
    let mut message = Message::new(Tag::Control);
    postcard::encode(value, &mut Sink::new(message.buffer(), usize::MAX))
        .expect("encoding handshake types cannot fail");
    message
}

/// Decodes the value in a message of the handshake.
///
/// # Errors
/// [`CodecError`] if the message holds anything else.
pub fn unpack<T: DeserializeOwned>(message: &Message) -> Result<T, CodecError> {
    match message.tag() {
        Some(Tag::Control) => postcard::decode(message.body()),
        _ => Err(CodecError("expected a handshake message".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_hello_with_other_protocol_or_job_type() {
        let hello: Hello = unpack(&pack(&Hello::new("square"))).unwrap();
        assert_eq!(hello.check("square"), Ok(()));
        assert!(matches!(hello.check("cube"), Err(Mismatch::JobType { .. })));
        let old = Hello { protocol: 0, job_type: "square".into() };
        assert_eq!(old.check("square"), Err(Mismatch::Protocol { theirs: 0 }));
    }
}
