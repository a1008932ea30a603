//! Tests of all codecs: values are restored exactly or rejected, and malformed input yields an error.

mod limit;
mod malformed;
mod messages;
mod round_trip;
mod zero_size;

use std::{collections::BTreeMap, fmt::Debug};

use proptest::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::CodecKind;

/// All kinds of values of serde's data model that every codec supports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Sample {
    Unit,
    Nothing(()),
    Newtype(Wrapper),
    Pair(i64, u64),
    Fields { words: Vec<String>, last: Option<char>, nested: Option<Box<Sample>> },
    Small(i8, u8, i16, u16, i32, u32, bool),
    Floats(f32, f64),
    Many(Vec<Option<Vec<Sample>>>),
    Text(BTreeMap<String, Empty>),
    Numbers(BTreeMap<i64, (char, [u8; 3])>),
    Bytes(Raw),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wrapper(String);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Empty;

/// A byte string of serde's data model. `Vec<u8>` is a sequence there.
#[derive(Clone, Debug, PartialEq)]
struct Raw(Vec<u8>);

impl Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Raw;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Raw, E> {
                Ok(Raw(bytes.to_vec()))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut bytes: A) -> Result<Raw, A::Error> {
                let mut raw = Vec::new();
                while let Some(byte) = bytes.next_element()? {
                    raw.push(byte);
                }
                Ok(Raw(raw))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

fn samples() -> impl Strategy<Value = Sample> {
    let leaf = prop_oneof![
        Just(Sample::Unit),
        Just(Sample::Nothing(())),
        any::<String>().prop_map(|text| Sample::Newtype(Wrapper(text))),
        any::<(i64, u64)>().prop_map(|(a, b)| Sample::Pair(a, b)),
        any::<(i8, u8, i16, u16, i32, u32, bool)>()
            .prop_map(|(a, b, c, d, e, f, g)| Sample::Small(a, b, c, d, e, f, g)),
        (any::<f32>(), any::<f64>())
            .prop_filter("finite", |(a, b)| a.is_finite() && b.is_finite())
            .prop_map(|(a, b)| Sample::Floats(a, b)),
        any::<Vec<String>>()
            .prop_map(|keys| Sample::Text(keys.into_iter().map(|key| (key, Empty)).collect())),
        any::<BTreeMap<i64, (char, [u8; 3])>>().prop_map(Sample::Numbers),
        any::<Vec<u8>>().prop_map(|bytes| Sample::Bytes(Raw(bytes))),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let many = prop::collection::vec(prop::option::of(prop::collection::vec(inner.clone(), 0..3)), 0..3);
        prop_oneof![
            many.prop_map(Sample::Many),
            (any::<Vec<String>>(), any::<Option<char>>(), prop::option::of(inner.prop_map(Box::new)))
                .prop_map(|(words, last, nested)| Sample::Fields { words, last, nested }),
        ]
    })
}

fn encoded<T: Serialize>(codec: CodecKind, value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec.encode(value, &mut bytes).unwrap_or_else(|error| panic!("{codec}: {error}"));
    bytes
}

/// Returns whether a codec restores a value exactly, or `false` if it rejects the value.
///
/// # Panics
/// If the codec changes the value or cannot decode its own encoding.
fn round_trips<T: Serialize + DeserializeOwned + PartialEq + Debug>(codec: CodecKind, value: &T) -> bool {
    let mut bytes = b"before".to_vec();
    if codec.encode(value, &mut bytes).is_err() {
        assert_eq!(bytes, b"before");
        return false;
    }
    match codec.decode::<T>(&bytes[6..]) {
        Ok(decoded) => assert_eq!(&decoded, value, "{codec} changes a value"),
        Err(error) => panic!("{codec} cannot decode {value:?}: {error}"),
    }
    true
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
    Text { text: String, rest: Vec<i8> },
}

/// A type that contains itself directly and in a list.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Deep {
    inside: Option<Box<Deep>>,
    list: Vec<Deep>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Chain {
    End,
    Link(Box<Chain>),
}
