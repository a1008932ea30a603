//! What is sent to a worker and back: calls of Python functions, and their results.

use pool::{
    JobError,
    data::{Blob, MIN_SHARED_SIZE},
};
use serde::{Deserialize, Serialize};

use crate::{failure::Raised, functions::FunctionId};

/// A call of a Python function.
#[derive(Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) target: Target,
    pub(crate) pickle: Pickle,
}

/// Outcome of a call.
pub(crate) type CallOutcome = Result<Pickle, JobError<Raised>>;

/// What the pickle of a call contains, and where its function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Target {
    /// A tuple of positional arguments, for this function.
    Args(FunctionId),
    /// A tuple of positional arguments and a dictionary of others, for this function.
    ArgsAndKeywords(FunctionId),
    /// The function, its positional arguments and the others.
    Whole,
}

/// A pickled object: the pickle itself, and buffers that it refers to.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pickle {
    pub(crate) stream: Stream,
    pub(crate) buffers: Vec<Blob>,
}

/// The bytes of a pickle; large ones are shared and not sent.
#[derive(Serialize, Deserialize)]
pub(crate) enum Stream {
    Small(#[serde(with = "serde_bytes")] Vec<u8>),
    Large(Blob),
}

impl Stream {
    /// Copies the bytes of a pickle.
    ///
    /// # Errors
    /// The system is out of memory.
    pub(crate) fn new(bytes: &[u8]) -> std::io::Result<Stream> {
        if bytes.len() < MIN_SHARED_SIZE {
            Ok(Stream::Small(bytes.to_vec()))
        } else {
            Blob::from_slice(bytes).map(Stream::Large)
        }
    }
}
