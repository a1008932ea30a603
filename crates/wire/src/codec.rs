//! The seam between values and bytes.

mod bincode;
mod bounded;
#[cfg(feature = "codecs")]
mod cbor;
#[cfg(feature = "codecs")]
mod checked;
#[cfg(feature = "codecs")]
mod json;
mod kind;
#[cfg(feature = "codecs")]
mod msgpack;
#[cfg(feature = "codecs")]
mod pickle;
#[cfg(feature = "codecs")]
mod pickle_machine;
#[cfg(feature = "codecs")]
mod postcard;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod zero_size_tests;

use std::fmt::Display;

use serde::{Serialize, de::DeserializeOwned};

use crate::catch_panic;

pub use kind::{CodecKind, UnknownCodec};

/// A value that could not be encoded, or bytes that are no such value.
///
/// ```
/// use wire::CodecKind;
///
/// let error = CodecKind::Bincode.decode::<u64>(b"").unwrap_err();
/// assert!(!error.to_string().is_empty());
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(pub(crate) String);

impl CodecError {
    /// Of a user's own serializer that panicked while `doing` its work.
    #[must_use]
    pub fn panicked(doing: &str, panic: &job::Panic) -> CodecError {
        CodecError(format!("{doing} panicked: {}", panic.message))
    }

    #[cold]
    fn encoding(error: impl Display) -> CodecError {
        CodecError(format!("cannot encode: {error}"))
    }

    #[cold]
    fn decoding(error: impl Display) -> CodecError {
        CodecError(format!("cannot decode: {error}"))
    }

    /// An outcome has a limit.
    #[inline]
    pub(crate) fn unless_longer(bytes: usize, limit: u64) -> Result<(), CodecError> {
        if bytes as u64 <= limit { Ok(()) } else { Err(CodecError::too_long(bytes, limit)) }
    }

    #[cold]
    fn too_long(bytes: usize, limit: u64) -> CodecError {
        CodecError(format!("the outcome takes {bytes} bytes, and `max_outcome` allows {limit}"))
    }

    /// Bytes that are left over belong to no value.
    #[inline]
    fn unless_read(left: usize) -> Result<(), CodecError> {
        if left == 0 { Ok(()) } else { Err(CodecError::decoding(format_args!("{left} bytes too many"))) }
    }
}

impl CodecKind {
    /// Appends the value's bytes to `into`; on an error `into` is as it was.
    ///
    /// ```
    /// use wire::CodecKind;
    ///
    /// let mut bytes = vec![0xff]; // what was there stays
    /// CodecKind::Bincode.encode(&true, &mut bytes)?;
    /// assert_eq!(bytes, [0xff, 1]);
    /// # Ok::<(), wire::CodecError>(())
    /// ```
    ///
    /// # Errors
    /// When the value's `Serialize` reports an error or panics, or the codec has no words for it: none changes a value.
    #[inline]
    pub fn encode<T: Serialize>(self, value: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
        let before = into.len();
        let result = guard("encoding", || self.encode_unguarded(value, into));
        if result.is_err() {
            into.truncate(before);
        }
        result
    }

    /// The same, for callers who catch panics themselves and drop what was appended then.
    ///
    /// # Errors
    /// When the value's `Serialize` reports an error, or the codec has no words for it.
    #[inline]
    pub fn encode_unguarded<T: Serialize>(self, value: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
        match self {
            CodecKind::Bincode => bincode::encode(value, into),
            #[cfg(feature = "codecs")]
            CodecKind::Postcard => postcard::encode(value, into),
            #[cfg(feature = "codecs")]
            CodecKind::MessagePack => msgpack::encode(value, into),
            #[cfg(feature = "codecs")]
            CodecKind::Cbor => cbor::encode(value, into),
            #[cfg(feature = "codecs")]
            CodecKind::Json => json::encode(value, into),
            #[cfg(feature = "codecs")]
            CodecKind::Pickle => pickle::encode(value, into),
        }
    }

    /// Reads a value that takes up all of `bytes`, for callers who catch panics themselves.
    ///
    /// # Errors
    /// When the bytes are no such value, or more than one.
    #[inline]
    pub fn decode_unguarded<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, CodecError> {
        match self {
            CodecKind::Bincode => bincode::decode(bytes),
            #[cfg(feature = "codecs")]
            CodecKind::Postcard => postcard::decode(bytes),
            #[cfg(feature = "codecs")]
            CodecKind::MessagePack => msgpack::decode(bytes),
            #[cfg(feature = "codecs")]
            CodecKind::Cbor => cbor::decode(bytes),
            #[cfg(feature = "codecs")]
            CodecKind::Json => json::decode(bytes),
            #[cfg(feature = "codecs")]
            CodecKind::Pickle => pickle::decode(bytes),
        }
    }

    /// Reads a value that takes up all of `bytes`.
    ///
    /// ```
    /// use wire::CodecKind;
    ///
    /// assert_eq!(CodecKind::Bincode.decode::<bool>(&[1])?, true);
    /// assert!(CodecKind::Bincode.decode::<bool>(&[1, 1]).is_err(), "one byte too many");
    /// # Ok::<(), wire::CodecError>(())
    /// ```
    ///
    /// # Errors
    /// When the bytes are no such value, or more than one, or its `Deserialize` panics.
    #[inline]
    pub fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, CodecError> {
        guard("decoding", || self.decode_unguarded(bytes))
    }
}

/// The user's own serializers run inside the codec: their panics are their jobs' errors, not the pool's end.
#[inline]
fn guard<T>(doing: &str, act: impl FnOnce() -> Result<T, CodecError>) -> Result<T, CodecError> {
    catch_panic(act).unwrap_or_else(|panic| Err(CodecError::panicked(doing, &panic)))
}
