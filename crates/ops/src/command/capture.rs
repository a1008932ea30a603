//! Captures the start of an output stream.

use std::{
    collections::TryReserveError,
    io::{self, Read},
};

/// Keeps the first bytes of a stream, up to a limit, and discards the rest.
#[derive(Debug)]
pub(super) struct Capture {
    bytes: Vec<u8>,
    limit: usize,
    truncated: bool,
}

/// Result of reading from a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadResult {
    /// Number of bytes read.
    Bytes(usize),
    /// No data is available now.
    WouldBlock,
    /// End of the stream, or an error, which is treated like the end.
    End,
}

impl Capture {
    /// Creates a capture of up to `limit` bytes.
    pub(super) fn new(limit: u64) -> Capture {
        Capture { bytes: Vec::new(), limit: usize::try_from(limit).unwrap_or(usize::MAX), truncated: false }
    }

    /// Reads up to `max` bytes from the non-blocking `stream`, with one system call.
    ///
    /// # Errors
    /// If there is not enough memory to keep the bytes.
    pub(super) fn read(&mut self, stream: &mut impl Read, max: usize) -> Result<ReadResult, TryReserveError> {
        let mut chunk = [0; 1 << 16];
        let end = max.min(chunk.len());
        match stream.read(&mut chunk[..end]) {
            Ok(0) => Ok(ReadResult::End),
            Ok(count) => self.keep(&chunk[..count]).map(|()| ReadResult::Bytes(count)),
            Err(error) if is_temporary(&error) => Ok(ReadResult::WouldBlock),
            Err(_) => Ok(ReadResult::End),
        }
    }

    fn keep(&mut self, chunk: &[u8]) -> Result<(), TryReserveError> {
        let kept = chunk.len().min(self.limit - self.bytes.len());
        self.bytes.try_reserve(kept)?;
        self.bytes.extend_from_slice(&chunk[..kept]);
        self.truncated |= kept < chunk.len();
        Ok(())
    }

    /// Returns the kept text, with U+FFFD in place of bytes that are not UTF-8, and whether the stream was
    /// longer.
    ///
    /// A character that was split at the limit is removed.
    pub(super) fn finish(mut self) -> (String, bool) {
        if self.truncated
            && let Some(last) = self.bytes.utf8_chunks().last()
            && let Err(error) = std::str::from_utf8(last.invalid())
            && error.error_len().is_none()
        {
            self.bytes.truncate(self.bytes.len() - last.invalid().len());
        }
        let text = String::from_utf8(self.bytes);
        let text = text.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        (text, self.truncated)
    }
}

/// Returns whether an operation on a pipe would block or was interrupted.
pub(super) fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(stream: &[u8], limit: u64) -> (String, bool) {
        let mut capture = Capture::new(limit);
        for mut byte in stream.chunks(1) {
            assert_eq!(capture.read(&mut byte, 9), Ok(ReadResult::Bytes(1)));
        }
        assert_eq!(capture.read(&mut [].as_slice(), 9), Ok(ReadResult::End));
        capture.finish()
    }

    #[test]
    fn does_not_split_characters() {
        for (limit, kept) in
            ["", "a", "a", "aé", "aé", "aé", "aé€", "aé€", "aé€", "aé€"].into_iter().enumerate()
        {
            assert_eq!(captured("aé€𝄞".as_bytes(), limit as u64), (kept.to_owned(), true), "{limit}");
        }
        assert_eq!(captured("aé€𝄞".as_bytes(), 10), ("aé€𝄞".to_owned(), false));
        assert_eq!(captured("aé€𝄞".as_bytes(), u64::MAX), ("aé€𝄞".to_owned(), false));
    }

    #[test]
    fn replaces_invalid_utf8() {
        assert_eq!(captured(b"a\xff\xe2\x82", 9), ("a\u{fffd}\u{fffd}".to_owned(), false));
        assert_eq!(
            captured(b"\xff\xffab", 2),
            ("\u{fffd}\u{fffd}".to_owned(), true),
            "invalid bytes were removed like a split character"
        );
    }
}
