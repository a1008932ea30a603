//! What a stream is cut into.

use std::io;

/// What may stand at the start of a text in UTF-8.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What stands at the start of a text in UTF-16, in either byte order.
pub(crate) const UTF_16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// Whether JSON allows the byte around values. No other white space is any.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// A location in a file: line and column from 1, columns in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

impl Location {
    /// The location `offset` bytes into a text that starts here.
    pub(crate) fn inside(self, text: &[u8], offset: usize) -> Location {
        let before = &text[..offset.min(text.len())];
        match memchr::memrchr(b'\n', before) {
            None => Location { line: self.line, column: self.column + before.len() as u64 },
            Some(last) => Location {
                line: self.line + memchr::memchr_iter(b'\n', before).count() as u64,
                column: (before.len() - last) as u64,
            },
        }
    }
}

/// What stands where a job is expected.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Element<'a> {
    /// A text, without white space around it.
    Text { text: &'a [u8], location: Location },
    /// A text that is longer than allowed; it has been skipped.
    TooLong { location: Location },
}

/// Why no more jobs can be found.
#[derive(Debug)]
pub(crate) enum SplitError {
    Io(io::Error),
    /// The array is broken here.
    Syntax {
        location: Location,
        message: String,
    },
    /// An array was asked for, and there is something else.
    NotAnArray,
    /// The whole input is in UTF-16.
    Utf16,
}

impl From<io::Error> for SplitError {
    fn from(error: io::Error) -> SplitError {
        SplitError::Io(error)
    }
}
