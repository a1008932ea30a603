//! The error of all codecs.

use std::fmt::Display;

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

    /// Checks the size of an outcome in bytes.
    #[inline]
    pub(crate) fn check_size(bytes: usize, limit: u64) -> Result<(), CodecError> {
        if bytes as u64 <= limit { Ok(()) } else { Err(CodecError::too_large(bytes, limit)) }
    }

    #[cold]
    fn too_large(bytes: usize, limit: u64) -> CodecError {
        CodecError(format!("outcome of {bytes} bytes exceeds `max_outcome` ({limit} bytes)"))
    }

    /// Checks that no bytes are left after the value.
    #[inline]
    pub(super) fn check_consumed(left: usize) -> Result<(), CodecError> {
        if left == 0 { Ok(()) } else { Err(CodecError::decoding(format_args!("{left} trailing bytes"))) }
    }
}
