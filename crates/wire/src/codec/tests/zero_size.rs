//! Lists of values that take no bytes: the time to decode them is limited by the size of the input, not by
//! the claimed length.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, LinkedList, VecDeque},
    fmt::Debug,
    marker::PhantomData,
};

use proptest::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::super::{CodecKind, bounded::MAX_EMPTY_ELEMENTS};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Empty;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Holder {
    before: u8,
    list: Vec<((), [u8; 0], PhantomData<u64>)>,
}

/// Lengths of about 2^62, as the formats encode them.
const CLAIMS: [&[u8]; 5] = [
    &[253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f],
    &[0xdd, 0xff, 0xff, 0xff, 0xff],
    &[0xdf, 0xff, 0xff, 0xff, 0xff],
    &[0x9b, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
];

fn assert_rejected<T: DeserializeOwned>(codec: CodecKind, bytes: &[u8]) {
    // Without the limit this would take years.
    assert!(codec.decode::<T>(bytes).is_err(), "{codec}: {bytes:?}");
}

#[test]
fn rejects_claimed_lengths() {
    for &codec in CodecKind::ALL {
        for claim in CLAIMS {
            assert_rejected::<Vec<()>>(codec, claim);
            assert_rejected::<Vec<Empty>>(codec, claim);
            assert_rejected::<VecDeque<[u64; 0]>>(codec, claim);
            assert_rejected::<LinkedList<((), PhantomData<String>)>>(codec, claim);
            assert_rejected::<BTreeSet<()>>(codec, claim);
            assert_rejected::<HashMap<(), Empty>>(codec, claim);
            assert_rejected::<BTreeMap<Empty, ()>>(codec, claim);
            assert_rejected::<Option<Vec<()>>>(codec, &[&[1][..], claim].concat());
            assert_rejected::<Holder>(codec, &[&[0][..], claim].concat());
            assert_rejected::<Vec<Vec<()>>>(codec, &[&[1][..], claim].concat());
            assert_rejected::<serde::de::IgnoredAny>(codec, claim);
        }
    }
}

#[test]
fn error_states_the_reason() {
    for (name, claim) in [("bincode", CLAIMS[0]), ("postcard", CLAIMS[1])] {
        let Ok(codec) = name.parse::<CodecKind>() else { continue };
        let error = codec.decode::<Vec<()>>(claim).unwrap_err().to_string();
        assert!(error.contains("too many elements"), "{codec}: {error}");
    }
}

/// The budget applies to the whole value, not to each list.
#[test]
fn nested_lists_share_a_budget() {
    for &codec in CodecKind::ALL {
        let list = vec![(); MAX_EMPTY_ELEMENTS as usize / 2];
        let mut bytes = Vec::new();
        codec.encode(&vec![list; 4], &mut bytes).unwrap();
        let units_take_no_bytes = bytes.len() < 100;
        assert_eq!(codec.decode::<Vec<Vec<()>>>(&bytes).is_err(), units_take_no_bytes, "{codec}");
    }
}

fn assert_round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    for &codec in CodecKind::ALL {
        let mut bytes = Vec::new();
        codec.encode(value, &mut bytes).unwrap();
        assert!(codec.decode::<T>(&bytes).unwrap() == *value, "{codec} changes a value");
    }
}

#[test]
fn elements_that_take_bytes_do_not_exhaust_the_budget() {
    assert_round_trip(&vec![0u8; 3 * MAX_EMPTY_ELEMENTS as usize]);
    assert_round_trip(&vec![vec![vec![0u8]; 500]; 500]);
    assert_round_trip(&vec![Vec::<()>::new(); 3 * MAX_EMPTY_ELEMENTS as usize]);
    assert_round_trip(&vec![(((), Empty), [false]); 3 * MAX_EMPTY_ELEMENTS as usize]);
    assert_round_trip(
        &(0..2 * MAX_EMPTY_ELEMENTS as u32).map(|n| (n, Empty)).collect::<BTreeMap<u32, Empty>>(),
    );
}

/// Nested lists whose innermost elements take bytes or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Units(Vec<()>),
    Empties(VecDeque<Empty>),
    Bytes(Vec<u8>),
    Trees(Vec<Tree>),
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        (0usize..300).prop_map(|count| Tree::Units(vec![(); count])),
        (0usize..300).prop_map(|count| Tree::Empties(vec![Empty; count].into())),
        any::<Vec<u8>>().prop_map(Tree::Bytes),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| prop::collection::vec(inner, 0..8).prop_map(Tree::Trees))
}

proptest! {
    #[test]
    fn short_lists_round_trip(tree in trees()) {
        assert_round_trip(&tree);
    }

    /// A value decoded from any bytes has no more elements than input size and budget allow.
    #[test]
    fn decoded_elements_never_exceed_the_budget(
        lists in prop::collection::vec(0u64..1 << 20, 1..40), garbage: Vec<u8>,
    ) {
        for &codec in CodecKind::ALL {
            let mut bytes = Vec::new();
            // An encoded list of numbers is also an encoded list of lists with these claimed lengths.
            codec.encode(&lists, &mut bytes).unwrap();
            for bytes in [&bytes, &garbage] {
                if let Ok(lists) = codec.decode::<Vec<Vec<()>>>(bytes) {
                    let elements: u64 = lists.iter().map(|list| 1 + list.len() as u64).sum();
                    let max = MAX_EMPTY_ELEMENTS + bytes.len() as u64;
                    prop_assert!(elements <= max, "{codec}: {elements} elements");
                }
            }
        }
    }
}
