//! Errors are reported by their messages, and not as Rust code.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{super::CodecKind, encoded};

/// Refuses to be encoded and decoded.
#[derive(Debug)]
struct Refused;

impl Serialize for Refused {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("this is \"refused\""))
    }
}

impl<'de> Deserialize<'de> for Refused {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Refused, D::Error> {
        u8::deserialize(deserializer)?;
        Err(serde::de::Error::custom("this is \"refused\""))
    }
}

#[test]
fn custom_messages_are_reported_as_they_are() {
    for &codec in CodecKind::ALL {
        let error = codec.encode(&Refused, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "cannot encode: this is \"refused\"", "{codec}");
        let message = codec.decode::<Refused>(&encoded(codec, &7u8)).unwrap_err().to_string();
        let is_dropped = codec.to_string() == "postcard";
        let expected = "cannot decode: this is \"refused\"";
        assert!(is_dropped || message.starts_with(expected), "{codec}: {message}");
    }
}

#[test]
fn messages_have_no_code() {
    for &codec in CodecKind::ALL {
        let text = encoded(codec, &"text");
        for error in [
            codec.decode::<String>(&text[..text.len() - 2]).map(drop),
            codec.decode::<bool>(&encoded(codec, &7u8)).map(drop),
            codec.decode::<Refused>(&encoded(codec, &7u8)).map(drop),
            codec.decode::<String>(&[4, 0xff, 0xff, 0xff, 0xff]).map(drop),
        ] {
            let message = error.unwrap_err().to_string();
            assert!(!message.contains(['{', '\\']) && !message.contains("Some("), "{codec}: {message}");
        }
    }
}
