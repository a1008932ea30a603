//! Every codec gives back what it was given, or says that it cannot; and no bytes bring it down.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
};

use proptest::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::CodecKind;

/// All that serde has names for, but what some codec refuses.
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

/// Bytes as serde means them, which `Vec<u8>` are not.
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

/// Whether a codec gives a value back; `false` if it refuses it. It may do nothing else.
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(codec: CodecKind, value: &T) -> bool {
    let mut bytes = b"before".to_vec();
    if codec.encode(value, &mut bytes).is_err() {
        assert_eq!(bytes, b"before");
        return false;
    }
    match codec.decode::<T>(&bytes[6..]) {
        Ok(decoded) => assert_eq!(&decoded, value, "{codec} changes a value"),
        Err(error) => panic!("{codec} cannot read {value:?}: {error}"),
    }
    true
}

struct Panics;

impl Serialize for Panics {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("no form for this")
    }
}

#[test]
fn a_panicking_serializer_is_an_error_and_leaves_no_bytes() {
    for codec in CodecKind::ALL {
        let mut bytes = vec![1, 2];
        let error = codec.encode(&(7u64, Panics), &mut bytes).unwrap_err();
        assert_eq!(error.to_string(), "encoding panicked: no form for this");
        assert_eq!(bytes, [1, 2]);
    }
}

struct Refuses;

impl Serialize for Refuses {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no words for this"))
    }
}

#[test]
fn the_reason_of_a_refusal_is_kept() {
    for codec in CodecKind::ALL {
        let error = codec.encode(&("text", Refuses), &mut Vec::new()).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot encode: ") && error.contains("no words for this"),
            "{codec}: {error}"
        );
    }
}

#[test]
fn trailing_bytes_are_refused() {
    for &codec in CodecKind::ALL {
        for more in [&b"\0"[..], b" ", b"\n", b"1", b".", b"\xc0", b"\xff\xff"] {
            assert!(
                codec.decode::<String>(&[&encoded(codec, &"text")[..], more].concat()).is_err(),
                "{codec}"
            );
            assert!(
                codec.decode::<Option<bool>>(&[&encoded(codec, &Some(true))[..], more].concat()).is_err()
            );
            assert!(codec.decode::<Sample>(&[&encoded(codec, &Sample::Unit)[..], more].concat()).is_err());
        }
    }
}

#[test]
fn absurd_lengths_are_refused() {
    let claims: [&[u8]; 9] = [
        &[253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0xdb, 0xff, 0xff, 0xff, 0xff],
        &[0xdd, 0xff, 0xff, 0xff, 0xff, 1],
        &[0xc6, 0xff, 0xff, 0xff, 0xff, 1],
        &[0x7b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        b"\x80\x03X\xff\xff\xff\xff.",
        b"\x80\x03B\xff\xff\xff\xff.",
    ];
    for codec in CodecKind::ALL {
        for bytes in claims {
            assert!(codec.decode::<String>(bytes).is_err(), "{codec}: {bytes:?}");
            assert!(codec.decode::<Vec<u64>>(bytes).is_err(), "{codec}: {bytes:?}");
            assert!(codec.decode::<Raw>(bytes).is_err(), "{codec}: {bytes:?}");
            assert!(codec.decode::<HashMap<u64, String>>(bytes).is_err(), "{codec}: {bytes:?}");
        }
    }
}

#[test]
fn integers_of_128_bits_come_back_or_are_refused() {
    for &codec in CodecKind::ALL {
        for number in [0, 1, u64::MAX.into(), 1 << 64, u128::MAX] {
            let signed = number.cast_signed();
            let came = [comes_back(codec, &number), comes_back(codec, &signed), comes_back(codec, &!signed)];
            assert_eq!(came, [codec.name() != "pickle"; 3], "{codec}: {number}");
        }
    }
}

#[test]
fn integers_of_64_bits_come_back_from_their_edges() {
    for &codec in CodecKind::ALL {
        for edge in [0, 7, 8, 15, 16, 31, 32, 63].map(|bits| 1u64 << bits) {
            for number in [edge - 1, edge, edge + 1, !edge, u64::MAX - edge] {
                assert!(comes_back(codec, &number) && comes_back(codec, &number.cast_signed()), "{codec}");
            }
        }
    }
}

#[test]
fn nothing_inside_of_some_comes_back_or_is_refused() {
    for &codec in CodecKind::ALL {
        let keeps = ["bincode", "postcard"].contains(&codec.name());
        assert_eq!(comes_back(codec, &Some(None::<u8>)), keeps, "{codec}");
        assert_eq!(comes_back(codec, &Some(())), keeps, "{codec}");
        assert_eq!(comes_back(codec, &vec![Some(Some(None::<u8>))]), keeps, "{codec}");
        assert_eq!(comes_back(codec, &Some(Empty)), keeps || codec.name() == "msgpack", "{codec}");
        assert!(comes_back(codec, &Some(Some(7u8))) && comes_back(codec, &None::<Option<u8>>), "{codec}");
        assert!(comes_back(codec, &Some(vec![None::<u8>])) && comes_back(codec, &Some((None::<u8>, ()))));
        assert!(comes_back(codec, &Some(Sample::Nothing(()))) && comes_back(codec, &((), Empty, [0u8; 0])));
    }
}

#[test]
fn what_is_no_finite_number_comes_back_or_is_refused() {
    for &codec in CodecKind::ALL {
        for number in [f64::INFINITY, f64::NEG_INFINITY] {
            let came = [comes_back(codec, &Some(number)), comes_back(codec, &(number as f32))];
            assert_eq!(came, [codec.name() != "json"; 2], "{codec}");
        }
        let mut bytes = Vec::new();
        if codec.encode(&f64::NAN, &mut bytes).is_ok() {
            assert_eq!(codec.decode::<f64>(&bytes).unwrap().to_bits(), f64::NAN.to_bits(), "{codec}");
        }
        for number in [-0.0, f64::MIN_POSITIVE, 5e-324, f64::MAX, 0.1 + 0.2, 1e23] {
            let back = codec.decode::<f64>(&encoded(codec, &number)).unwrap();
            assert_eq!(back.to_bits(), number.to_bits(), "{codec}: {number}");
        }
    }
}

#[test]
fn map_keys_come_back_or_are_refused() {
    for &codec in CodecKind::ALL {
        let is_json = codec.name() == "json";
        assert!(
            comes_back(codec, &HashMap::from([(true, 1)])) && comes_back(codec, &BTreeMap::from([('x', 1)]))
        );
        assert!(comes_back(codec, &BTreeMap::from([(Some(-7i8), 1)])), "{codec}");
        assert_eq!(comes_back(codec, &BTreeMap::from([(None::<u8>, 1)])), !is_json, "{codec}");
        assert_eq!(comes_back(codec, &BTreeMap::from([((1u8, 2u8), 3)])), !is_json, "{codec}");
        assert_eq!(comes_back(codec, &BTreeMap::from([(vec!["a".to_owned()], 3)])), !is_json, "{codec}");
    }
}

#[cfg(feature = "codecs")]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Sparse {
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    second: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
    Text { text: String, rest: Vec<i8> },
}

#[cfg(feature = "codecs")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Tagged {
    A { a: u8 },
    B(Wrapped),
}

#[cfg(feature = "codecs")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped {
    b: String,
    #[serde(flatten)]
    more: BTreeMap<String, i32>,
}

#[test]
#[cfg(feature = "codecs")]
fn shapes_that_only_names_can_tell_come_back_or_are_refused() {
    for &codec in &CodecKind::ALL[1..] {
        let named = codec.name() != "postcard";
        assert_eq!(comes_back(codec, &Sparse { first: None, second: Some(7) }), named, "{codec}");
        assert!(comes_back(codec, &Sparse { first: Some(1), second: Some(7) }));
    }
    for &codec in &CodecKind::ALL[2..] {
        assert!(comes_back(codec, &Untagged::Number(u64::MAX)), "{codec}");
        assert!(comes_back(codec, &Untagged::Text { text: "x".into(), rest: vec![-1, 1] }), "{codec}");
        assert!(comes_back(codec, &Tagged::A { a: 255 }), "{codec}");
        let more = BTreeMap::from([("x".to_owned(), -1), ("y".to_owned(), 70_000)]);
        assert!(comes_back(codec, &Tagged::B(Wrapped { b: "b".into(), more })), "{codec}");
    }
}

#[test]
fn types_with_two_forms_come_back() {
    use std::{net::IpAddr, path::PathBuf, time::Duration};
    for &codec in CodecKind::ALL {
        assert!(comes_back(codec, &IpAddr::from([127, 0, 0, 1])), "{codec}");
        assert!(comes_back(codec, &(Duration::MAX, PathBuf::from("/a/b"), Ok::<u8, String>(7))), "{codec}");
    }
}

#[test]
fn long_texts_and_lists_come_back() {
    for &codec in CodecKind::ALL {
        let text: Box<str> = "äöü".repeat(100_000).into();
        assert!(comes_back(codec, &text) && comes_back(codec, &Raw(vec![200; 100_000])), "{codec}");
        let map: BTreeMap<u32, String> = (0..5000).map(|n| (n, n.to_string())).collect();
        assert!(comes_back(codec, &(0..5000).collect::<Vec<u64>>()) && comes_back(codec, &map), "{codec}");
    }
}

/// A type that contains itself, in every way in which one can.
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

#[cfg(feature = "codecs")]
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Bare(Option<Box<Bare>>);

#[test]
#[cfg(feature = "codecs")]
fn deep_nesting_is_refused_and_overflows_no_stack() {
    const MANY: usize = 1_000_000;
    let nested = |unit: &[u8], end: &[u8]| [&unit.repeat(MANY)[..], end].concat();
    let attempts = [
        nested(b"\x01", b"\0"),
        nested(b"\x00\x01", b"\0"),
        nested(b"[", b""),
        nested(b"{\"Link\":", b""),
        nested(b"{\"inside\":", b""),
        nested(b"{\"x\":", b""),
        nested(b"\x81\xa4Link", b""),
        nested(b"\xa1\x64Link", b""),
        nested(b"\xa1\x61x", b""),
        nested(b"\x91", b""),
        nested(b"\x92\xc0\x91", b""),
        nested(b"\x81", b""),
        nested(b"\x9f", b""),
        nested(b"\xc1", b""),
        b"5".to_vec(),
        b"\x80\x03K\x05.".to_vec(),
        [b"\x80\x03", &b"](".repeat(MANY)[..], &b"e".repeat(MANY)[..], b"."].concat(),
        [b"\x80\x03", &b"}X\x04\0\0\0Link".repeat(MANY)[..], b"N", &b"s".repeat(MANY)[..], b"."].concat(),
        [b"\x80\x03", &b"(".repeat(MANY)[..], &b"t".repeat(MANY)[..], b"."].concat(),
        [b"\x80\x03]", &b"2e".repeat(MANY)[..], b"."].concat(),
    ];
    for codec in &CodecKind::ALL[1..] {
        for bytes in &attempts {
            let _ = codec.decode::<Deep>(bytes);
            let _ = codec.decode::<Chain>(bytes);
            let _ = codec.decode::<Bare>(bytes);
            let _ = codec.decode::<serde::de::IgnoredAny>(bytes);
        }
    }
}

#[test]
fn moderate_nesting_comes_back() {
    for &codec in CodecKind::ALL {
        let chain = (0..60).fold(Chain::End, |inside, _| Chain::Link(Box::new(inside)));
        let deep = (0..60).fold(Deep::default(), |deep, n| match n % 2 {
            0 => Deep { inside: Some(Box::new(deep)), list: Vec::new() },
            _ => Deep { inside: None, list: vec![deep, Deep::default()] },
        });
        assert!(comes_back(codec, &chain) && comes_back(codec, &deep), "{codec}");
    }
}

#[test]
#[cfg(feature = "codecs")]
fn a_pickle_that_is_no_program_of_ours_is_refused() {
    let wrong: [&[u8]; 16] = [
        b"",
        b".",
        b"\x80\x03",
        b"\x80\x03.",
        b"\x80\x02N.",
        b"N",
        b"NN.",
        b"(N.",
        b"e.",
        b"(e.",
        b"(s.",
        b"(u.",
        b"}(NNNu.",
        b"N(s.",
        b"]N(N(se.",
        b"cos\nsystem\n(X\x02\0\0\0lstR.",
    ];
    for bytes in wrong {
        assert!(CodecKind::Pickle.decode::<serde::de::IgnoredAny>(bytes).is_err(), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(sample in samples(), number: i128) {
        for &codec in CodecKind::ALL {
            prop_assert!(comes_back(codec, &sample), "{codec} refuses {sample:?}");
            comes_back(codec, &(number, sample.clone()));
        }
    }

    #[test]
    fn garbage_is_decoded_to_something_or_refused(bytes: Vec<u8>) {
        for codec in CodecKind::ALL {
            decode_all(*codec, &bytes);
        }
    }

    /// Closer to what could be mistaken for a value.
    #[test]
    fn spoilt_values_are_decoded_to_something_or_refused(
        sample in samples(), spoils in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for &codec in CodecKind::ALL {
            let mut bytes = encoded(codec, &sample);
            for (place, byte) in &spoils {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            decode_all(codec, &bytes);
            decode_all(codec, &bytes[..spoils[0].0.index(bytes.len())]);
        }
    }

    #[test]
    fn anything_behind_a_value_is_refused(sample in samples(), more in prop::collection::vec(any::<u8>(), 1..5)) {
        for &codec in CodecKind::ALL {
            let bytes = [&encoded(codec, &sample)[..], &more].concat();
            prop_assert!(codec.decode::<Sample>(&bytes).is_err(), "{codec}: {bytes:?}");
        }
    }
}

/// No codec panics: a panic would be an error too, but one that costs a backtrace.
fn decode_all(codec: CodecKind, bytes: &[u8]) {
    let _ = codec.decode_unguarded::<Sample>(bytes);
    let _ = codec.decode_unguarded::<Vec<Option<(String, u64)>>>(bytes);
    let _ = codec.decode_unguarded::<HashMap<u8, Raw>>(bytes);
    let _ = codec.decode_unguarded::<Deep>(bytes);
    let _ = codec.decode_unguarded::<Untagged>(bytes);
    let _ = codec.decode_unguarded::<job::Panic>(bytes);
}
