//! Lists of values that take no bytes: every codec reads them in a time that the bytes bound, not what they claim.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, LinkedList, VecDeque},
    fmt::Debug,
    marker::PhantomData,
};

use proptest::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{CodecKind, bounded::FREE};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Empty;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Holder {
    before: u8,
    list: Vec<((), [u8; 0], PhantomData<u64>)>,
}

/// Lengths of some 2^62, as the formats write them.
const CLAIMS: [&[u8]; 5] = [
    &[253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f],
    &[0xdd, 0xff, 0xff, 0xff, 0xff],
    &[0xdf, 0xff, 0xff, 0xff, 0xff],
    &[0x9b, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
];

fn refuses<T: DeserializeOwned>(codec: CodecKind, bytes: &[u8]) {
    // Without the bound this would go on for years.
    assert!(codec.decode::<T>(bytes).is_err(), "{codec}: {bytes:?}");
}

#[test]
fn a_claimed_length_is_not_believed() {
    for &codec in CodecKind::ALL {
        for claim in CLAIMS {
            refuses::<Vec<()>>(codec, claim);
            refuses::<Vec<Empty>>(codec, claim);
            refuses::<VecDeque<[u64; 0]>>(codec, claim);
            refuses::<LinkedList<((), PhantomData<String>)>>(codec, claim);
            refuses::<BTreeSet<()>>(codec, claim);
            refuses::<HashMap<(), Empty>>(codec, claim);
            refuses::<BTreeMap<Empty, ()>>(codec, claim);
            refuses::<Option<Vec<()>>>(codec, &[&[1][..], claim].concat());
            refuses::<Holder>(codec, &[&[0][..], claim].concat());
            refuses::<Vec<Vec<()>>>(codec, &[&[1][..], claim].concat());
            refuses::<serde::de::IgnoredAny>(codec, claim);
        }
    }
}

#[test]
fn the_reason_is_named() {
    for (name, claim) in [("bincode", CLAIMS[0]), ("postcard", CLAIMS[1])] {
        let Ok(codec) = name.parse::<CodecKind>() else { continue };
        let error = codec.decode::<Vec<()>>(claim).unwrap_err().to_string();
        assert!(error.contains("a list is longer than its bytes allow"), "{codec}: {error}");
    }
}

/// The budget is that of the whole value, not of each list.
#[test]
fn lists_of_lists_share_a_budget() {
    for &codec in CodecKind::ALL {
        let list = vec![(); FREE as usize / 2];
        let mut bytes = Vec::new();
        codec.encode(&vec![list; 4], &mut bytes).unwrap();
        let takes_none = bytes.len() < 100;
        assert_eq!(codec.decode::<Vec<Vec<()>>>(&bytes).is_err(), takes_none, "{codec}");
    }
}

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    for &codec in CodecKind::ALL {
        let mut bytes = Vec::new();
        codec.encode(value, &mut bytes).unwrap();
        assert!(codec.decode::<T>(&bytes).unwrap() == *value, "{codec} changes a value");
    }
}

#[test]
fn elements_that_take_bytes_are_never_too_many() {
    comes_back(&vec![0u8; 3 * FREE as usize]);
    comes_back(&vec![vec![vec![0u8]; 500]; 500]);
    comes_back(&vec![Vec::<()>::new(); 3 * FREE as usize]);
    comes_back(&vec![(((), Empty), [false]); 3 * FREE as usize]);
    comes_back(&(0..2 * FREE as u32).map(|n| (n, Empty)).collect::<BTreeMap<u32, Empty>>());
}

/// Nested lists whose innermost elements take bytes or none.
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
    fn short_lists_come_back(tree in trees()) {
        comes_back(&tree);
    }

    /// What is read from any bytes has no more elements than the bytes and the budget allow.
    #[test]
    fn no_bytes_yield_more_elements_than_the_budget(
        lists in prop::collection::vec(0u64..1 << 20, 1..40), garbage: Vec<u8>,
    ) {
        for &codec in CodecKind::ALL {
            let mut bytes = Vec::new();
            // A list of numbers looks like a list of lists that claim these lengths.
            codec.encode(&lists, &mut bytes).unwrap();
            for bytes in [&bytes, &garbage] {
                if let Ok(lists) = codec.decode::<Vec<Vec<()>>>(bytes) {
                    let elements: u64 = lists.iter().map(|list| 1 + list.len() as u64).sum();
                    prop_assert!(elements <= FREE + bytes.len() as u64, "{codec}: {elements} elements");
                }
            }
        }
    }
}
