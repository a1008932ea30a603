//! What both sides say before the first batch, and the worker after the last.
//!
//! ```text
//! worker              parent
//! Hello          ->
//!                <-   Welcome
//! Ready, Failed  ->
//!                    (batches)
//!                    closes its end
//! FinalReport       ->
//! ```
//! A worker that ends itself, because a process has ended that its job depended on, sends a [`job::Crash`] before that.
//!
//! A parent that does not like the hello kills the worker and says why to its own caller.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{CodecError, CodecKind, Message, PROTOCOL_VERSION, Tag};

/// The worker's first words.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`] of the worker's build.
    pub protocol: u32,
    /// The name of the job type that it serves.
    pub job_type: String,
}

impl Hello {
    /// What a worker of this build says.
    #[must_use]
    pub fn new(job_type: &str) -> Hello {
        Hello { protocol: PROTOCOL_VERSION, job_type: job_type.to_owned() }
    }

    /// Whether the parent can use such a worker for jobs of this type, and why not.
    ///
    /// # Errors
    /// What differs.
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

/// A worker that was built for something else.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Another version of the protocol.
    #[error("it speaks version {theirs} of the protocol, and this program version {PROTOCOL_VERSION}")]
    Protocol {
        /// The worker's version.
        theirs: u32,
    },
    /// Another type of job.
    #[error("it serves jobs of type `{theirs}`, and this program sends `{ours}`")]
    JobType {
        /// What the parent sends.
        ours: String,
        /// What the worker serves.
        theirs: String,
    },
}

/// How jobs and outcomes travel between a parent and its workers.
///
/// ```
/// use wire::Transport;
///
/// assert_eq!(Transport::default(), Transport::Rings);
/// assert_eq!(Transport::Channel.to_string(), "channel");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// Through rings of bytes in memory that a parent shares with each of its workers; a system call is made only to wake
    /// a process that sleeps.
    #[default]
    Rings,
    /// Through a socket for each worker, by ipc-channel.
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

/// The parent's answer to a hello.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The [number](CodecKind::number) of the codec for jobs and outcomes, which the worker's build may not have.
    pub codec: u32,
    /// How jobs and outcomes travel.
    pub transport: Transport,
    /// How many bytes of memory the worker may have.
    pub max_memory: Option<u64>,
    /// The most bytes of an encoded outcome.
    pub max_outcome: u64,
    /// The arguments of the worker's state, encoded by that codec.
    pub context: Vec<u8>,
}

/// The worker's last words before it serves, or ends.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Started {
    /// Its state is made.
    Ready,
    /// Its state could not be made, for this reason.
    Failed(String),
}

/// The last words of a worker that leaves in good order.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FinalReport {
    /// Its state is finished; this is the report, encoded as outcomes are.
    Report(Vec<u8>),
    /// Its state could not be finished, for this reason.
    Failed(String),
}

/// A message that holds one of these values.
///
/// # Panics
/// Never: these types have nothing that could fail to be encoded.
#[must_use]
pub fn pack<T: Serialize>(value: &T) -> Message {
    let mut message = Message::new(Tag::Control);
    CodecKind::Bincode.encode(value, message.buffer()).expect("plain data can be encoded");
    message
}

/// The value in such a message.
///
/// # Errors
/// When it holds anything else.
pub fn unpack<T: DeserializeOwned>(message: &Message) -> Result<T, CodecError> {
    match message.tag() {
        Some(Tag::Control) => CodecKind::Bincode.decode(message.body()),
        _ => Err(CodecError("expected a word of the handshake".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_built_for_something_else_is_recognised() {
        let hello: Hello = unpack(&pack(&Hello::new("square"))).unwrap();
        assert_eq!(hello.check("square"), Ok(()));
        assert!(matches!(hello.check("cube"), Err(Mismatch::JobType { .. })));
        let old = Hello { protocol: 0, job_type: "square".into() };
        assert_eq!(old.check("square"), Err(Mismatch::Protocol { theirs: 0 }));
    }
}
