//! The error of all codecs.

use std::fmt::Display;

/// Maximum size of an encoded job, in bytes: 4 GiB less one byte. Its length is sent as 32 bits.
pub(crate) const MAX_ENCODED: usize = u32::MAX as usize;

/// Maximum size of an encoded outcome, in bytes. Its length includes its status.
pub(crate) const MAX_OUTCOME: usize = MAX_ENCODED - 1;

/// Error of encoding or decoding a value.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::settings::CodecKind;
///
/// let error = CodecKind::default().decode::<u64>(b"").unwrap_err();
/// assert!(!error.to_string().is_empty());
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(pub(crate) String);

impl CodecError {
    /// Creates the error for a user-defined serializer that panicked; `doing` is "encoding" or "decoding".
    #[must_use]
    pub fn panicked(doing: &str, panic: &job::Panic) -> CodecError {
        CodecError(format!("{doing} panicked: {}", panic.message))
    }

    #[cold]
    pub(super) fn encoding(error: impl Display) -> CodecError {
        CodecError(format!("cannot encode: {error}"))
    }

    #[cold]
    pub(super) fn decoding(error: impl Display) -> CodecError {
        CodecError(format!("cannot decode: {error}"))
    }

    /// Creates the error for a value whose encoding exceeds `limit` bytes. A limit below that of all values
    /// is the one of a pool's outcomes.
    #[cold]
    pub(crate) fn too_large(limit: usize) -> CodecError {
        if limit >= MAX_OUTCOME {
            let advice = "pass large data as a `Blob` or `Shared`, or by the name of a file";
            return CodecError(format!("encoded value exceeds the limit of 4 GiB; {advice}"));
        }
        CodecError::above_max_outcome(limit as u64)
    }

    /// Creates the error for an outcome that, with its shared data, exceeds a pool's limit in bytes.
    #[cold]
    pub(crate) fn above_max_outcome(limit: u64) -> CodecError {
        CodecError(format!("outcome exceeds `max_outcome` ({limit} bytes)"))
    }

    #[cold]
    pub(super) fn no_memory() -> CodecError {
        CodecError("not enough memory to encode the value".to_owned())
    }

    /// Checks that no bytes are left after the value.
    #[inline]
    pub(super) fn check_consumed(left: usize) -> Result<(), CodecError> {
        if left == 0 { Ok(()) } else { Err(CodecError::decoding(format_args!("{left} trailing bytes"))) }
    }
}
