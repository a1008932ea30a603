//! Codecs: encoding values as bytes and decoding them.

#[cfg(feature = "bincode")]
mod bincode;
mod bounded;
#[cfg(feature = "codecs")]
mod cbor;
mod checked;
mod error;
#[cfg(feature = "codecs")]
mod json;
mod kind;
mod message;
#[cfg(feature = "codecs")]
mod msgpack;
#[cfg(feature = "codecs")]
mod pickle;
#[cfg(feature = "codecs")]
mod pickle_decoder;
pub(crate) mod postcard;
pub(crate) mod sink;
#[cfg(test)]
mod tests;

use serde::{Serialize, de::DeserializeOwned};

use crate::catch_panic;
use sink::Sink;

pub use error::CodecError;
pub(crate) use error::{MAX_ENCODED, MAX_OUTCOME};
pub use kind::{CodecKind, UnknownCodec};

impl CodecKind {
    /// Appends the encoded value to `into`. On an error `into` is unchanged.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::settings::CodecKind;
    ///
    /// let mut bytes = vec![0xff];
    /// CodecKind::default().encode(&true, &mut bytes)?;
    /// assert_eq!(bytes, [0xff, 1]);
    /// # Ok::<(), pool::error::CodecError>(())
    /// ```
    ///
    /// # Errors
    /// If the value's `Serialize` returns an error or panics, or the format cannot represent the value: no
    /// codec changes a value.
    #[inline]
    pub fn encode<T: Serialize>(self, value: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
        self.encode_within(value, into, usize::MAX)
    }

    /// Like [`encode`](CodecKind::encode), but stops with an error when the encoding exceeds `limit` bytes.
    ///
    /// # Errors
    /// Those of [`encode`](CodecKind::encode), or the encoding is larger than `limit` bytes.
    #[inline]
    pub(crate) fn encode_within<T: Serialize>(
        self,
        value: &T,
        into: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), CodecError> {
        let before = into.len();
        let result = catch_panics("encoding", || self.encode_unguarded(value, into, limit));
        if result.is_err() {
            into.truncate(before);
        }
        result
    }

    /// Like [`encode_within`](CodecKind::encode_within), for callers that catch panics themselves. After an
    /// error or a panic they must remove the bytes that were appended.
    ///
    /// # Errors
    /// If the value's `Serialize` returns an error, the format cannot represent the value, or the encoding is
    /// larger than `limit` bytes.
    #[inline]
    pub(crate) fn encode_unguarded<T: Serialize>(
        self,
        value: &T,
        into: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), CodecError> {
        let mut sink = Sink::new(into, limit);
        let into = &mut sink;
        let result = match self {
            #[cfg(feature = "bincode")]
            CodecKind::Bincode => bincode::encode(value, into),
            #[cfg(feature = "postcard")]
            CodecKind::Postcard => postcard::encode(value, into),
            #[cfg(feature = "codecs")]
            CodecKind::MessagePack => msgpack::encode(value, into),
            #[cfg(feature = "codecs")]
            CodecKind::Cbor => cbor::encode(value, into),
            #[cfg(feature = "codecs")]
            CodecKind::Json => json::encode(value, into),
            #[cfg(feature = "codecs")]
            CodecKind::Pickle => pickle::encode(value, into),
        };
        sink.finish(result)
    }

    /// Like [`decode`](CodecKind::decode), for callers that catch panics themselves.
    ///
    /// # Errors
    /// If `bytes` is not the encoding of a `T`, or has trailing bytes.
    #[inline]
    pub fn decode_unguarded<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, CodecError> {
        match self {
            #[cfg(feature = "bincode")]
            CodecKind::Bincode => bincode::decode(bytes),
            #[cfg(feature = "postcard")]
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

    /// Decodes a value from all of `bytes`.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::settings::CodecKind;
    ///
    /// assert_eq!(CodecKind::default().decode::<bool>(&[1])?, true);
    /// assert!(CodecKind::default().decode::<bool>(&[1, 1]).is_err(), "trailing byte");
    /// # Ok::<(), pool::error::CodecError>(())
    /// ```
    ///
    /// # Errors
    /// If `bytes` is not the encoding of a `T`, has trailing bytes, or the `Deserialize` of `T` panics.
    #[inline]
    pub fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, CodecError> {
        catch_panics("decoding", || self.decode_unguarded(bytes))
    }
}

/// The codec that every build has, whichever are enabled: postcard.
///
/// ```
/// use wire::CommonCodec;
///
/// let mut bytes = Vec::new();
/// CommonCodec::encode(&(7u8, "seven"), &mut bytes)?;
/// assert_eq!(CommonCodec::decode::<(u8, String)>(&bytes)?, (7, "seven".to_owned()));
/// # Ok::<(), wire::CodecError>(())
/// ```
#[derive(Debug)]
pub enum CommonCodec {}

impl CommonCodec {
    /// Appends the encoded value to `into`. On an error `into` is unchanged.
    ///
    /// # Errors
    /// Those of [`CodecKind::encode`].
    pub fn encode<T: Serialize>(value: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
        let before = into.len();
        let result = catch_panics("encoding", || {
            let mut sink = Sink::new(into, usize::MAX);
            let result = postcard::encode(value, &mut sink);
            sink.finish(result)
        });
        if result.is_err() {
            into.truncate(before);
        }
        result
    }

    /// Decodes a value from all of `bytes`.
    ///
    /// # Errors
    /// Those of [`CodecKind::decode`].
    pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
        catch_panics("decoding", || postcard::decode(bytes))
    }
}

/// Converts panics to errors. The codec calls user-defined serializers, whose panics must only fail their
/// job.
#[inline]
fn catch_panics<T>(doing: &str, act: impl FnOnce() -> Result<T, CodecError>) -> Result<T, CodecError> {
    catch_panic(act).unwrap_or_else(|panic| Err(CodecError::panicked(doing, &panic)))
}
