//! Errors in the text of a job.

use std::str::Utf8Error;

use crate::input::{BYTE_ORDER_MARK, UTF_16_MARKS};

/// The first error in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParseError {
    /// Offset in bytes from the start of the text.
    pub(crate) offset: usize,
    pub(crate) message: String,
    /// Whether the text is not valid JSON.
    pub(crate) is_syntax: bool,
    /// Whether the text is an incomplete prefix of valid JSON.
    pub(crate) is_unfinished: bool,
    /// The job's `id`, if it could be read.
    pub(crate) id: Option<Box<str>>,
}

impl ParseError {
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> ParseError {
        ParseError { offset, message: message.into(), is_syntax: false, is_unfinished: false, id: None }
    }

    /// Converts an error of the JSON parser. The location is removed from its message.
    pub(crate) fn syntax(text: &str, error: &serde_json::Error) -> ParseError {
        let record_bodies = error.to_string();
        let message =
            record_bodies.split_once(" at line ").map_or(record_bodies.as_str(), |(message, _)| message);
        let offset = if message.starts_with("control character") {
            // The parser reports the position of the byte before in some strings.
            first_control_character(text)
        } else {
            offset_of(text, error)
        };
        let message = describe_encoding(&text.as_bytes()[offset..]).unwrap_or(message);
        ParseError {
            is_syntax: true,
            is_unfinished: error.is_eof(),
            ..ParseError::new(offset, invalid_json(message))
        }
    }

    /// Error for bytes that are not UTF-8.
    pub(crate) fn encoding(bytes: &[u8], error: &Utf8Error) -> ParseError {
        let offset = error.valid_up_to();
        let message = describe_encoding(&bytes[offset..]).unwrap_or("bytes that are not UTF-8");
        ParseError { is_syntax: true, ..ParseError::new(offset, invalid_json(message)) }
    }
}

fn invalid_json(message: &str) -> String {
    format!("invalid JSON: {message}")
}

/// Describes bytes that come from another encoding or from concatenated files.
fn describe_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0, ..] => Some("a NUL byte, as in UTF-16; jobs are written in UTF-8"),
        _ if bytes.starts_with(BYTE_ORDER_MARK) => {
            Some("a byte order mark, which is allowed at the start of the input only")
        }
        _ if UTF_16_MARKS.iter().any(|mark| bytes.starts_with(mark)) => {
            Some("a byte order mark of UTF-16; jobs are written in UTF-8")
        }
        _ => None,
    }
}

/// Returns the offset that an error reports.
fn offset_of(text: &str, error: &serde_json::Error) -> usize {
    let line_start = match error.line() {
        0 | 1 => 0,
        line => memchr::memchr_iter(b'\n', text.as_bytes()).nth(line - 2).map_or(0, |end| end + 1),
    };
    (line_start + error.column().saturating_sub(1)).min(text.len())
}

/// Returns the offset of the first control character inside a string. The text before it must be valid JSON.
fn first_control_character(text: &str) -> usize {
    let (mut in_string, mut escaped) = (false, false);
    let is_found = |byte: u8| {
        if in_string && byte < b' ' {
            return true;
        }
        in_string ^= byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        false
    };
    text.bytes().position(is_found).unwrap_or(text.len())
}

/// Returns the start of a text, for messages.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use crate::parse::{ParseOptions, parse};

    const OPTIONS: ParseOptions = ParseOptions::new(None, 30);

    #[test]
    fn control_characters_have_exact_offsets() {
        for control in (0..b' ').map(char::from) {
            for (before, after) in [
                ("{\"op\":\"su", "m\"}"),
                ("{\"op\":\"", "\"}"),
                ("{\"op\":\"sum\",\"n", "\":1}"),
                ("{\"op\":\"sum\", \t\"\\\"", "n\":1}"),
                ("{\"op\":\"sum\",\n\"n\":[{\"\\\\", "\"}]}"),
                ("[\"\\u000a", "\"]"),
                ("\"", "\""),
            ] {
                let text = format!("{before}{control}{after}");
                let error = parse(text.as_bytes(), &OPTIONS).unwrap_err();
                assert_eq!((error.offset, error.is_syntax), (before.len(), true), "{text:?}: {error:?}");
                let words = if control == '\0' { "a NUL byte" } else { "control character" };
                assert!(error.message.contains(words), "{text:?}: {error:?}");
            }
        }
    }

    #[test]
    fn describes_other_encodings() {
        let describe_encoding = |bytes: &[u8], offset: usize, words: &str| {
            let error = parse(bytes, &OPTIONS).unwrap_err();
            assert!(error.is_syntax && error.offset == offset && error.message.contains(words), "{error:?}");
        };
        let mark = "a byte order mark, which";
        describe_encoding("\u{feff}{\"op\":\"sum\",\"n\":1}".as_bytes(), 0, mark);
        describe_encoding("{\"op\":\"sum\",\"n\":1}\u{feff}".as_bytes(), 18, mark);
        describe_encoding("{\"op\":\u{feff}\"sum\",\"n\":1}".as_bytes(), 6, mark);
        describe_encoding(b"\xff\xfe{\0}\0", 0, "UTF-16");
        describe_encoding(b"\xfe\xff\0{\0}", 0, "UTF-16");
        describe_encoding(b"{\0\"\0", 1, "UTF-16");
        describe_encoding(b"\0{\0}", 0, "UTF-16");
        describe_encoding(b"{\"op\":\"\xff\"}", 7, "bytes that are not UTF-8");
    }

    #[test]
    fn distinguishes_incomplete_from_invalid_json() {
        let is_unfinished = |text: &str| parse(text.as_bytes(), &OPTIONS).unwrap_err().is_unfinished;
        assert!(["{", "{\"op\":", "[1,", "{\"op\": \"sum\",", "\"a"].into_iter().all(is_unfinished));
        assert!(!["}", "\"op\":1", "]", "1", "{]", "{\"op\":1}", "nul1"].into_iter().any(is_unfinished));
    }
}
