//! Replies of the JSON protocol.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A reply as it was written.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<String>,
}

/// Unlike an `Option`, tells `null` from nothing.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads a reply: the result as compact JSON, or the program's own error message.
///
/// # Errors
/// Why it is no reply.
pub(super) fn read(reply: &[u8]) -> Result<Result<Vec<u8>, String>, String> {
    let text = std::str::from_utf8(reply).map_err(|_| "not UTF-8".to_owned())?;
    let written: Written<'_> = serde_json::from_str(text).map_err(|error| {
        let worded = error.to_string();
        worded.split_once(" at line ").map_or(worded.as_str(), |(message, _)| message).to_owned()
    })?;
    match written {
        Written { result: Some(result), error: None } => {
            let mut bytes = Vec::with_capacity(result.get().len());
            compact(result.get(), &mut bytes);
            Ok(Ok(bytes))
        }
        Written { result: None, error: Some(message) } => Ok(Err(message)),
        Written { result: Some(_), error: Some(_) } => Err("both `result` and `error`".into()),
        Written { result: None, error: None } => Err("neither `result` nor `error`".into()),
    }
}

/// Appends a JSON text without the white space between its tokens; numbers and strings stay as they are written. The
/// text must be valid.
pub fn compact(text: &str, into: &mut Vec<u8>) {
    let (mut in_string, mut escaped) = (false, false);
    for &byte in text.as_bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            continue;
        } else {
            in_string = byte == b'"';
        }
        into.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_a_value_and_an_error_a_message() {
        assert_eq!(
            read(br#"{"result": {"a": [1, 2.50, "x y"]} }"#),
            Ok(Ok(br#"{"a":[1,2.50,"x y"]}"#.to_vec()))
        );
        assert_eq!(read(br#"{"result":null}"#), Ok(Ok(b"null".to_vec())));
        assert_eq!(read(br#"{"error":"no"}"#), Ok(Err("no".into())));
        assert_eq!(read(br#"{"result":18446744073709551616}"#), Ok(Ok(b"18446744073709551616".to_vec())));
    }

    #[test]
    fn everything_else_is_no_reply() {
        for (text, reason) in [
            (&br#"{"result":1,"error":"x"}"#[..], "both `result` and `error`"),
            (br#"{}"#, "neither `result` nor `error`"),
            (br#"{"error":null}"#, "neither `result` nor `error`"),
            (br#"{"result":NaN}"#, "expected value"),
            (b"\xff", "not UTF-8"),
            (b"", "EOF while parsing a value"),
        ] {
            assert_eq!(read(text), Err(reason.to_owned()));
        }
        for text in
            [&b"17"[..], br#""x""#, br#"{"error":1}"#, br#"{"result":1,"result":2}"#, br#"{"result":1} x"#]
        {
            assert!(read(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn white_space_inside_strings_stays() {
        let mut compacted = Vec::new();
        compact(" { \"a \\\" b\" : [ 1 , 2 ] } ", &mut compacted);
        assert_eq!(compacted, br#"{"a \" b":[1,2]}"#);
        compacted.clear();
        compact(r#"["\\", "\\\" "]"#, &mut compacted);
        assert_eq!(compacted, br#"["\\","\\\" "]"#);
    }
}
