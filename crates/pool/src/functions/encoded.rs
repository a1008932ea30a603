//! Encoded arguments and results, and the code that calls a function with them.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wire::CodecKind;

/// Decodes arguments, calls a function and encodes its result.
pub(crate) type Thunk = fn(&[u8]) -> Result<Encoded, CallError>;

/// The encoding of arguments, of a result or of an error.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoded(#[serde(with = "serde_bytes")] Vec<u8>);

/// Encoding of arguments and results. That of the pool is used for what contains them.
fn codec() -> CodecKind {
    CodecKind::default()
}

impl Encoded {
    pub(super) fn new<T: Serialize>(value: &T) -> Result<Encoded, CallError> {
        let mut bytes = Vec::new();
        codec().encode(value, &mut bytes).map_err(|error| CallError::Message(error.to_string()))?;
        Ok(Encoded(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T, String> {
        decode(&self.0)
    }
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    codec().decode(bytes).map_err(|error| error.to_string())
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoded({} bytes)", self.0.len())
    }
}

/// Error of a [`Call`](super::Call); a [`FunctionFuture`](super::FunctionFuture) converts it to the
/// function's own error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The function returned this error.
    #[error("the function returned an error of {} bytes", .0.0.len())]
    Failed(Encoded),
    /// The function was not called, or its result could not be encoded, for this reason.
    #[error("{0}")]
    Message(String),
}
