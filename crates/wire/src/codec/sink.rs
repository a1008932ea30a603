//! Buffer that values are encoded into, with a limit on its size.
//!
//! Encoding stops when the limit is exceeded, so that a value that is far too large takes no more time and
//! memory than one of the maximum size. A string or byte string is refused before it is copied. The limit is
//! checked only when the buffer has to grow, so that encoding short values costs nothing more. Values that
//! fit into the existing capacity are checked once they are complete.

use std::{fmt, io};

use super::error::CodecError;

/// A buffer, and the maximum of its length.
pub(crate) struct Sink<'a> {
    bytes: &'a mut Vec<u8>,
    start: usize,
    limit: usize,
    is_exceeded: bool,
}

/// Error of a write that would exceed the limit.
#[derive(Debug)]
pub(super) struct LimitExceeded;

impl<'a> Sink<'a> {
    /// Returns a sink that appends up to `limit` bytes to `bytes`.
    #[inline]
    pub(crate) fn new(bytes: &'a mut Vec<u8>, limit: usize) -> Sink<'a> {
        let start = bytes.len();
        Sink { bytes, start, limit, is_exceeded: false }
    }

    #[inline]
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), LimitExceeded> {
        if bytes.len() > self.bytes.capacity() - self.bytes.len() {
            self.grow(bytes.len())?;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    pub(super) fn push(&mut self, byte: u8) -> Result<(), LimitExceeded> {
        self.append(&[byte])
    }

    /// Makes room for `more` bytes: doubles the capacity, but not beyond the limit.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) -> Result<(), LimitExceeded> {
        let (needed, most) = (self.bytes.len().saturating_add(more), self.start.saturating_add(self.limit));
        if needed > most {
            self.is_exceeded = true;
            return Err(LimitExceeded);
        }
        let capacity = self.bytes.capacity().saturating_mul(2).min(most).max(needed);
        self.bytes.reserve_exact(capacity - self.bytes.len());
        Ok(())
    }

    /// Returns the result of encoding a value. Formats report an exceeded limit in different ways, or not at
    /// all.
    #[inline]
    pub(super) fn finish(self, result: Result<(), CodecError>) -> Result<(), CodecError> {
        if self.is_exceeded || (result.is_ok() && self.bytes.len() - self.start > self.limit) {
            return Err(CodecError::too_large(self.limit));
        }
        result
    }

    /// Returns whether the limit was exceeded.
    pub(super) fn is_exceeded(&self) -> bool {
        self.is_exceeded
    }
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the encoded value is too large")
    }
}

impl std::error::Error for LimitExceeded {}

impl io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.append(bytes).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
