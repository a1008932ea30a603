//! Malformed input yields an error or some value, but no panic, stack overflow or large allocation.

use std::collections::HashMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{super::CodecKind, Chain, Deep, Raw, Sample, Untagged, encoded, samples};

#[test]
fn rejects_trailing_bytes() {
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
fn rejects_excessive_lengths() {
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

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Bare(Option<Box<Bare>>);

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    const DEPTH: usize = 1_000_000;
    let nested = |unit: &[u8], end: &[u8]| [&unit.repeat(DEPTH)[..], end].concat();
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
        [b"\x80\x03", &b"](".repeat(DEPTH)[..], &b"e".repeat(DEPTH)[..], b"."].concat(),
        [b"\x80\x03", &b"}X\x04\0\0\0Link".repeat(DEPTH)[..], b"N", &b"s".repeat(DEPTH)[..], b"."].concat(),
        [b"\x80\x03", &b"(".repeat(DEPTH)[..], &b"t".repeat(DEPTH)[..], b"."].concat(),
        [b"\x80\x03]", &b"2e".repeat(DEPTH)[..], b"."].concat(),
    ];
    // bincode does not limit the depth.
    for codec in CodecKind::ALL.iter().filter(|codec| codec.name() != "bincode") {
        for bytes in &attempts {
            let _ = codec.decode::<Deep>(bytes);
            let _ = codec.decode::<Chain>(bytes);
            let _ = codec.decode::<Bare>(bytes);
            let _ = codec.decode::<serde::de::IgnoredAny>(bytes);
        }
    }
}

#[test]
#[cfg(feature = "codecs")]
fn rejects_malformed_pickles() {
    let malformed: [&[u8]; 16] = [
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
    for bytes in malformed {
        assert!(CodecKind::Pickle.decode::<serde::de::IgnoredAny>(bytes).is_err(), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn garbage_does_not_panic(bytes: Vec<u8>) {
        for codec in CodecKind::ALL {
            decode_all(*codec, &bytes);
        }
    }

    /// Corrupted encodings reach more code than random bytes.
    #[test]
    fn corrupted_values_do_not_panic(
        sample in samples(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for &codec in CodecKind::ALL {
            let mut bytes = encoded(codec, &sample);
            for (index, byte) in &changes {
                let index = index.index(bytes.len());
                bytes[index] = *byte;
            }
            decode_all(codec, &bytes);
            decode_all(codec, &bytes[..changes[0].0.index(bytes.len())]);
        }
    }

    #[test]
    fn rejects_random_trailing_bytes(
        sample in samples(),
        more in prop::collection::vec(any::<u8>(), 1..5),
    ) {
        for &codec in CodecKind::ALL {
            let bytes = [&encoded(codec, &sample)[..], &more].concat();
            prop_assert!(codec.decode::<Sample>(&bytes).is_err(), "{codec}: {bytes:?}");
        }
    }
}

/// Decodes to several types without catching panics: [`CodecKind::decode`] would turn a panic into an error,
/// but at the cost of a backtrace.
fn decode_all(codec: CodecKind, bytes: &[u8]) {
    let _ = codec.decode_unguarded::<Sample>(bytes);
    let _ = codec.decode_unguarded::<Vec<Option<(String, u64)>>>(bytes);
    let _ = codec.decode_unguarded::<HashMap<u8, Raw>>(bytes);
    let _ = codec.decode_unguarded::<Deep>(bytes);
    let _ = codec.decode_unguarded::<Untagged>(bytes);
    let _ = codec.decode_unguarded::<job::Panic>(bytes);
}
