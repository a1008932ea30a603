//! Types shared by the splitters.

use std::io;

/// Optional start of a UTF-8 text.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Start of a UTF-16 text, in either byte order.
pub(crate) const UTF_16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// Returns whether the byte is JSON white space.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Location in a file: line and column from 1, columns in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

impl Location {
    /// Returns the location `offset` bytes into a text that starts at this location.
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

/// An element of an array, where a job is expected.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Element<'a> {
    /// Text without surrounding white space.
    Text { text: &'a [u8], location: Location },
    /// A text that exceeds the maximum size; it has been skipped.
    TooLong { location: Location },
}

/// Error that ends an input.
#[derive(Debug)]
pub(crate) enum SplitError {
    Io(io::Error),
    /// Syntax error in the array.
    Syntax {
        location: Location,
        message: String,
    },
    /// `--format array` was given, and the input is not an array.
    NotAnArray,
    /// The input is encoded in UTF-16.
    Utf16,
}

impl From<io::Error> for SplitError {
    fn from(error: io::Error) -> SplitError {
        SplitError::Io(error)
    }
}
