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
    refusal: Option<Refusal>,
}

/// Reason why a buffer does not grow.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    TooLarge,
    NoMemory,
}

/// Error of a write that would exceed the limit, or the memory.
#[derive(Debug)]
pub(super) struct LimitExceeded;

impl<'a> Sink<'a> {
    /// Returns a sink that appends up to `limit` bytes to `bytes`.
    #[inline]
    pub(crate) fn new(bytes: &'a mut Vec<u8>, limit: usize) -> Sink<'a> {
        let start = bytes.len();
        Sink { bytes, start, limit, refusal: None }
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
            self.refusal = Some(Refusal::TooLarge);
            return Err(LimitExceeded);
        }
        let capacity = self.bytes.capacity().saturating_mul(2).min(most).max(needed);
        self.bytes.try_reserve_exact(capacity - self.bytes.len()).map_err(|_| {
            self.refusal = Some(Refusal::NoMemory);
            LimitExceeded
        })
    }

    /// Returns the result of encoding a value. Formats report an exceeded limit in different ways, or not at
    /// all.
    #[inline]
    pub(super) fn finish(self, result: Result<(), CodecError>) -> Result<(), CodecError> {
        match self.refusal {
            Some(Refusal::NoMemory) => Err(CodecError::no_memory()),
            Some(Refusal::TooLarge) => Err(CodecError::too_large(self.limit)),
            None if result.is_ok() && self.bytes.len() - self.start > self.limit => {
                Err(CodecError::too_large(self.limit))
            }
            None => result,
        }
    }

    /// Returns whether the limit or the memory was exceeded.
    pub(super) fn is_exceeded(&self) -> bool {
        self.refusal.is_some()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lack_of_memory_is_an_error() {
        let mut bytes = vec![7];
        let mut sink = Sink::new(&mut bytes, usize::MAX);
        assert!(sink.append(&[8]).is_ok() && sink.grow(isize::MAX as usize).is_err());
        let error = sink.finish(Err(CodecError::encoding(LimitExceeded))).unwrap_err();
        assert_eq!(error.to_string(), "not enough memory to encode the value");
        assert_eq!(bytes, [7, 8]);
    }
}
