//! Values are restored exactly, or encoding them fails.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{super::CodecKind, Chain, Deep, Empty, Raw, Sample, Untagged, encoded, round_trips, samples};

struct Panics;

impl Serialize for Panics {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("not serializable")
    }
}

#[test]
fn panicking_serializer_is_an_error_and_appends_nothing() {
    for codec in CodecKind::ALL {
        let mut bytes = vec![1, 2];
        let error = codec.encode(&(7u64, Panics), &mut bytes).unwrap_err();
        assert_eq!(error.to_string(), "encoding panicked: not serializable");
        assert_eq!(bytes, [1, 2]);
    }
}

struct FailsToSerialize;

impl Serialize for FailsToSerialize {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("custom error"))
    }
}

#[test]
fn error_contains_the_message_of_the_serializer() {
    for codec in CodecKind::ALL {
        let error = codec.encode(&("text", FailsToSerialize), &mut Vec::new()).unwrap_err().to_string();
        assert!(error.starts_with("cannot encode: ") && error.contains("custom error"), "{codec}: {error}");
    }
}

#[test]
fn integers_of_128_bits_round_trip_or_are_rejected() {
    for &codec in CodecKind::ALL {
        for number in [0, 1, u64::MAX.into(), 1 << 64, u128::MAX] {
            let signed = number.cast_signed();
            let found =
                [round_trips(codec, &number), round_trips(codec, &signed), round_trips(codec, &!signed)];
            assert_eq!(found, [codec.name() != "pickle"; 3], "{codec}: {number}");
        }
    }
}

#[test]
fn integers_of_64_bits_round_trip_at_boundaries() {
    for &codec in CodecKind::ALL {
        for power in [0, 7, 8, 15, 16, 31, 32, 63].map(|bits| 1u64 << bits) {
            for number in [power - 1, power, power + 1, !power, u64::MAX - power] {
                assert!(round_trips(codec, &number) && round_trips(codec, &number.cast_signed()), "{codec}");
            }
        }
    }
}

#[test]
fn some_of_null_values_round_trips_or_is_rejected() {
    for &codec in CodecKind::ALL {
        let is_binary = ["bincode", "postcard"].contains(&codec.name());
        assert_eq!(round_trips(codec, &Some(None::<u8>)), is_binary, "{codec}");
        assert_eq!(round_trips(codec, &Some(())), is_binary, "{codec}");
        assert_eq!(round_trips(codec, &vec![Some(Some(None::<u8>))]), is_binary, "{codec}");
        assert_eq!(round_trips(codec, &Some(Empty)), is_binary || codec.name() == "msgpack", "{codec}");
        assert!(round_trips(codec, &Some(Some(7u8))) && round_trips(codec, &None::<Option<u8>>), "{codec}");
        assert!(round_trips(codec, &Some(vec![None::<u8>])) && round_trips(codec, &Some((None::<u8>, ()))));
        assert!(round_trips(codec, &Some(Sample::Nothing(()))) && round_trips(codec, &((), Empty, [0u8; 0])));
    }
}

#[test]
fn non_finite_numbers_round_trip_or_are_rejected() {
    for &codec in CodecKind::ALL {
        for number in [f64::INFINITY, f64::NEG_INFINITY] {
            let found = [round_trips(codec, &Some(number)), round_trips(codec, &(number as f32))];
            assert_eq!(found, [codec.name() != "json"; 2], "{codec}");
        }
        let mut bytes = Vec::new();
        if codec.encode(&f64::NAN, &mut bytes).is_ok() {
            assert_eq!(codec.decode::<f64>(&bytes).unwrap().to_bits(), f64::NAN.to_bits(), "{codec}");
        }
        for number in [-0.0, f64::MIN_POSITIVE, 5e-324, f64::MAX, 0.1 + 0.2, 1e23] {
            let decoded = codec.decode::<f64>(&encoded(codec, &number)).unwrap();
            assert_eq!(decoded.to_bits(), number.to_bits(), "{codec}: {number}");
        }
    }
}

#[test]
fn map_keys_round_trip_or_are_rejected() {
    for &codec in CodecKind::ALL {
        let is_json = codec.name() == "json";
        assert!(
            round_trips(codec, &HashMap::from([(true, 1)]))
                && round_trips(codec, &BTreeMap::from([('x', 1)]))
        );
        assert!(round_trips(codec, &BTreeMap::from([(Some(-7i8), 1)])), "{codec}");
        assert_eq!(round_trips(codec, &BTreeMap::from([(None::<u8>, 1)])), !is_json, "{codec}");
        assert_eq!(round_trips(codec, &BTreeMap::from([((1u8, 2u8), 3)])), !is_json, "{codec}");
        assert_eq!(round_trips(codec, &BTreeMap::from([(vec!["a".to_owned()], 3)])), !is_json, "{codec}");
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Sparse {
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    second: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Tagged {
    A { a: u8 },
    B(Wrapped),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped {
    b: String,
    #[serde(flatten)]
    more: BTreeMap<String, i32>,
}

#[test]
fn types_that_need_field_names_round_trip_or_are_rejected() {
    let with_checks = CodecKind::ALL.iter().filter(|codec| codec.name() != "bincode");
    for &codec in with_checks.clone() {
        let has_names = codec.name() != "postcard";
        assert_eq!(round_trips(codec, &Sparse { first: None, second: Some(7) }), has_names, "{codec}");
        assert!(round_trips(codec, &Sparse { first: Some(1), second: Some(7) }));
    }
    for &codec in with_checks.filter(|codec| codec.name() != "postcard") {
        assert!(round_trips(codec, &Untagged::Number(u64::MAX)), "{codec}");
        assert!(round_trips(codec, &Untagged::Text { text: "x".into(), rest: vec![-1, 1] }), "{codec}");
        assert!(round_trips(codec, &Tagged::A { a: 255 }), "{codec}");
        let more = BTreeMap::from([("x".to_owned(), -1), ("y".to_owned(), 70_000)]);
        assert!(round_trips(codec, &Tagged::B(Wrapped { b: "b".into(), more })), "{codec}");
    }
}

#[test]
fn types_with_a_human_readable_form_round_trip() {
    use std::{net::IpAddr, path::PathBuf, time::Duration};
    for &codec in CodecKind::ALL {
        assert!(round_trips(codec, &IpAddr::from([127, 0, 0, 1])), "{codec}");
        assert!(round_trips(codec, &(Duration::MAX, PathBuf::from("/a/b"), Ok::<u8, String>(7))), "{codec}");
    }
}

#[test]
fn long_texts_and_lists_round_trip() {
    for &codec in CodecKind::ALL {
        let text: Box<str> = "äöü".repeat(100_000).into();
        assert!(round_trips(codec, &text) && round_trips(codec, &Raw(vec![200; 100_000])), "{codec}");
        let map: BTreeMap<u32, String> = (0..5000).map(|n| (n, n.to_string())).collect();
        assert!(round_trips(codec, &(0..5000).collect::<Vec<u64>>()) && round_trips(codec, &map), "{codec}");
    }
}

#[test]
fn moderate_nesting_round_trips() {
    for &codec in CodecKind::ALL {
        let chain = (0..60).fold(Chain::End, |inside, _| Chain::Link(Box::new(inside)));
        let deep = (0..60).fold(Deep::default(), |deep, n| match n % 2 {
            0 => Deep { inside: Some(Box::new(deep)), list: Vec::new() },
            _ => Deep { inside: None, list: vec![deep, Deep::default()] },
        });
        assert!(round_trips(codec, &chain) && round_trips(codec, &deep), "{codec}");
    }
}

proptest! {
    #[test]
    fn samples_round_trip(sample in samples(), number: i128) {
        for &codec in CodecKind::ALL {
            prop_assert!(round_trips(codec, &sample), "{codec} rejects {sample:?}");
            round_trips(codec, &(number, sample.clone()));
        }
    }
}
