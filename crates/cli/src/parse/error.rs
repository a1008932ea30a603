//! What is wrong with a job's text.

use std::str::Utf8Error;

use crate::input::{BYTE_ORDER_MARK, UTF_16_MARKS};

/// The first thing that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ParseError {
    /// Where, in bytes from the start of the text.
    pub(crate) offset: usize,
    pub(crate) message: String,
    /// Whether the text is no JSON at all.
    pub(crate) is_syntax: bool,
    /// Whether the text is JSON as far as it goes, and ends too early.
    pub(crate) is_unfinished: bool,
    /// The job's own name, if that could be read.
    pub(crate) id: Option<Box<str>>,
}

impl ParseError {
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> ParseError {
        ParseError { offset, message: message.into(), is_syntax: false, is_unfinished: false, id: None }
    }

    /// What the JSON parser says, with the location taken out of the words.
    pub(crate) fn syntax(text: &str, error: &serde_json::Error) -> ParseError {
        let record_bodies = error.to_string();
        let message =
            record_bodies.split_once(" at line ").map_or(record_bodies.as_str(), |(message, _)| message);
        let offset = if message.starts_with("control character") {
            // The parser's location is that of the byte before in some strings.
            first_control_character(text)
        } else {
            offset_of(text, error)
        };
        let message = named(&text.as_bytes()[offset..]).unwrap_or(message);
        ParseError {
            is_syntax: true,
            is_unfinished: error.is_eof(),
            ..ParseError::new(offset, no_json(message))
        }
    }

    /// Bytes that are no text.
    pub(crate) fn encoding(bytes: &[u8], error: &Utf8Error) -> ParseError {
        let offset = error.valid_up_to();
        let message = named(&bytes[offset..]).unwrap_or("bytes that are not UTF-8");
        ParseError { is_syntax: true, ..ParseError::new(offset, no_json(message)) }
    }
}

fn no_json(message: &str) -> String {
    format!("no valid JSON: {message}")
}

/// Names bytes that come from another encoding, or from two files that became one.
fn named(bytes: &[u8]) -> Option<&'static str> {
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

/// The location that an error names.
fn offset_of(text: &str, error: &serde_json::Error) -> usize {
    let line_start = match error.line() {
        0 | 1 => 0,
        line => memchr::memchr_iter(b'\n', text.as_bytes()).nth(line - 2).map_or(0, |end| end + 1),
    };
    (line_start + error.column().saturating_sub(1)).min(text.len())
}

/// The location of the first control character inside of a string; all before it is JSON.
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

#[cfg(test)]
mod tests {
    use crate::parse::{ParseOptions, parse};

    const OPTIONS: ParseOptions = ParseOptions::new(None, 30);

    #[test]
    fn control_characters_are_found_where_they_are() {
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
    fn other_encodings_are_named() {
        let named = |bytes: &[u8], offset: usize, words: &str| {
            let error = parse(bytes, &OPTIONS).unwrap_err();
            assert!(error.is_syntax && error.offset == offset && error.message.contains(words), "{error:?}");
        };
        let mark = "a byte order mark, which";
        named("\u{feff}{\"op\":\"sum\",\"n\":1}".as_bytes(), 0, mark);
        named("{\"op\":\"sum\",\"n\":1}\u{feff}".as_bytes(), 18, mark);
        named("{\"op\":\u{feff}\"sum\",\"n\":1}".as_bytes(), 6, mark);
        named(b"\xff\xfe{\0}\0", 0, "UTF-16");
        named(b"\xfe\xff\0{\0}", 0, "UTF-16");
        named(b"{\0\"\0", 1, "UTF-16");
        named(b"\0{\0}", 0, "UTF-16");
        named(b"{\"op\":\"\xff\"}", 7, "bytes that are not UTF-8");
    }

    #[test]
    fn the_beginning_of_a_job_is_known_from_a_wrong_one() {
        let is_unfinished = |text: &str| parse(text.as_bytes(), &OPTIONS).unwrap_err().is_unfinished;
        assert!(["{", "{\"op\":", "[1,", "{\"op\": \"sum\",", "\"a"].into_iter().all(is_unfinished));
        assert!(!["}", "\"op\":1", "]", "1", "{]", "{\"op\":1}", "nul1"].into_iter().any(is_unfinished));
    }
}
