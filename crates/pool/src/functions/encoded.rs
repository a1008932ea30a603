//! Encoded arguments and results, and the code that calls a function with them.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sys::stateless::Adapted;
use wire::{
    CommonCodec,
    transfer::{AttachedFiles, collect},
};

/// Decodes arguments, calls a function and encodes its result.
pub(crate) type Thunk = Adapted<Encoded, Result<Encoded, CallError>>;

/// The encoding of arguments, of a result or of an error: by postcard, which every build has. The pool's
/// codec is used for what contains them.
///
/// Large data that they share with other processes stays in its files. An encoding that has some can be sent
/// only between a pool and its workers.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoded {
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
    files: AttachedFiles,
}

impl Encoded {
    pub(super) fn new<T: Serialize>(value: &T) -> Result<Encoded, CallError> {
        let mut bytes = Vec::new();
        let (encoded, files) = collect(|| CommonCodec::encode(value, &mut bytes));
        encoded.map_err(|error| CallError::Message(error.to_string()))?;
        Ok(Encoded { bytes, files: files.into() })
    }

    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T, String> {
        let decoded = self.files.resolve(|| CommonCodec::decode(&self.bytes));
        decoded.map_err(|error| error.to_string())
    }
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoded({} bytes)", self.bytes.len())
    }
}

/// Error of a [`Call`](super::Call); a [`FunctionFuture`](super::FunctionFuture) converts it to the
/// function's own error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The function returned this error.
    #[error("the function returned an error of {} bytes", .0.bytes.len())]
    Failed(Encoded),
    /// The function was not called, or its result could not be encoded, for this reason.
    #[error("{0}")]
    Message(String),
}
