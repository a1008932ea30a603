//! Replies of the JSON protocol.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A reply whose result is not parsed.
#[derive(Deserialize)]
struct RawReply<'a> {
    #[serde(borrow, default, deserialize_with = "deserialize_present")]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<String>,
}

/// Deserializes a field that is present. Unlike `Option`, this distinguishes `null` from a missing field.
fn deserialize_present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Parses a reply. Returns the result as compact JSON, or the program's error message.
///
/// # Errors
/// The reason why the reply is invalid.
pub(super) fn parse(reply: &[u8]) -> Result<Result<Vec<u8>, String>, String> {
    let text = std::str::from_utf8(reply).map_err(|_| "not UTF-8".to_owned())?;
    let reply: RawReply<'_> = serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        message.split_once(" at line ").map_or(message.as_str(), |(reason, _)| reason).to_owned()
    })?;
    match reply {
        RawReply { result: Some(result), error: None } => {
            let mut bytes = Vec::with_capacity(result.get().len());
            compact(result.get(), &mut bytes);
            Ok(Ok(bytes))
        }
        RawReply { result: None, error: Some(message) } => Ok(Err(message)),
        RawReply { result: Some(_), error: Some(_) } => Err("both `result` and `error`".into()),
        RawReply { result: None, error: None } => Err("neither `result` nor `error`".into()),
    }
}

/// Appends a JSON text without the white space between its tokens. Numbers and strings are copied unchanged.
/// The text must be valid JSON.
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
    fn parses_results_and_errors() {
        assert_eq!(
            parse(br#"{"result": {"a": [1, 2.50, "x y"]} }"#),
            Ok(Ok(br#"{"a":[1,2.50,"x y"]}"#.to_vec()))
        );
        assert_eq!(parse(br#"{"result":null}"#), Ok(Ok(b"null".to_vec())));
        assert_eq!(parse(br#"{"error":"no"}"#), Ok(Err("no".into())));
        assert_eq!(parse(br#"{"result":18446744073709551616}"#), Ok(Ok(b"18446744073709551616".to_vec())));
    }

    #[test]
    fn rejects_invalid_replies() {
        for (text, reason) in [
            (&br#"{"result":1,"error":"x"}"#[..], "both `result` and `error`"),
            (br#"{}"#, "neither `result` nor `error`"),
            (br#"{"error":null}"#, "neither `result` nor `error`"),
            (br#"{"result":NaN}"#, "expected value"),
            (b"\xff", "not UTF-8"),
            (b"", "EOF while parsing a value"),
        ] {
            assert_eq!(parse(text), Err(reason.to_owned()));
        }
        for text in
            [&b"17"[..], br#""x""#, br#"{"error":1}"#, br#"{"result":1,"result":2}"#, br#"{"result":1} x"#]
        {
            assert!(parse(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn keeps_white_space_inside_strings() {
        let mut compacted = Vec::new();
        compact(" { \"a \\\" b\" : [ 1 , 2 ] } ", &mut compacted);
        assert_eq!(compacted, br#"{"a \" b":[1,2]}"#);
        compacted.clear();
        compact(r#"["\\", "\\\" "]"#, &mut compacted);
        assert_eq!(compacted, br#"["\\","\\\" "]"#);
    }
}
