//! The seam between values and bytes.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{bincode, catch_panic};

/// How jobs and outcomes are turned into bytes.
///
/// ```
/// use wire::CodecKind;
///
/// let mut bytes = Vec::new();
/// CodecKind::Bincode.encode(&(7u64, "seven"), &mut bytes)?;
/// assert_eq!(bytes.len(), 7, "small numbers take a byte, whatever their type");
/// assert_eq!(CodecKind::Bincode.decode::<(u64, String)>(&bytes)?, (7, "seven".to_owned()));
/// # Ok::<(), wire::CodecError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CodecKind {
    /// bincode 2 through serde, variable-length integers.
    #[default]
    Bincode,
}

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
    /// When the value's `Serialize` reports an error or panics.
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
    /// When the value's `Serialize` reports an error.
    #[inline]
    pub fn encode_unguarded<T: Serialize>(self, value: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
        match self {
            CodecKind::Bincode => bincode::encode(value, into),
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Sample {
        Unit,
        Number(i128),
        Text { words: Vec<String>, last: Option<char> },
    }

    struct Panics;

    impl Serialize for Panics {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("no form for this")
        }
    }

    #[test]
    fn a_panicking_serializer_is_an_error_and_leaves_no_bytes() {
        let mut bytes = vec![1, 2];
        let error = CodecKind::Bincode.encode(&(7u64, Panics), &mut bytes).unwrap_err();
        assert_eq!(error.to_string(), "encoding panicked: no form for this");
        assert_eq!(bytes, [1, 2]);
    }

    #[test]
    fn trailing_bytes_and_absurd_lengths_are_refused() {
        let mut bytes = Vec::new();
        CodecKind::Bincode.encode(&"text", &mut bytes).unwrap();
        bytes.push(0);
        assert!(CodecKind::Bincode.decode::<String>(&bytes).is_err());
        let claims_many = [253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert!(CodecKind::Bincode.decode::<String>(&claims_many).is_err());
        assert!(CodecKind::Bincode.decode::<Vec<u64>>(&claims_many).is_err());
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(number: i128, words: Vec<String>, last: Option<char>) {
            for sample in [Sample::Unit, Sample::Number(number), Sample::Text { words, last }] {
                let mut bytes = Vec::new();
                CodecKind::Bincode.encode(&sample, &mut bytes).unwrap();
                prop_assert_eq!(CodecKind::Bincode.decode::<Sample>(&bytes).unwrap(), sample);
            }
        }

        #[test]
        fn garbage_is_decoded_to_something_or_refused(bytes: Vec<u8>) {
            let _ = CodecKind::Bincode.decode::<Sample>(&bytes);
        }
    }
}
