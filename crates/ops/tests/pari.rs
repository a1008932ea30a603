//! The prime factors of random numbers are those that PARI finds: `pari/digests.tsv` holds digests of them, and
//! `pari/digests.gp` wrote it.

use dashu_int::UBig;
use numtheory::Natural;

const STORED: &str = include_str!("pari/digests.tsv");

/// Random numbers of so many bits, the same as in `digests.gp`.
fn numbers(bits: u64) -> impl Iterator<Item = UBig> {
    let mut state = bits;
    std::iter::repeat_with(move || {
        let number = (0..bits / 32).fold(UBig::ZERO, |number, _| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (number << 32) + UBig::from(state >> 32)
        });
        number.max(UBig::ONE)
    })
}

/// The digest of the factors of the first `count` of them.
fn digest(bits: u64, count: usize) -> u64 {
    const MODULUS: u128 = (1 << 61) - 1;
    numbers(bits).take(count).fold(0, |digest, number| {
        let factors =
            numtheory::factor(&number.into()).expect("it is not 0").into_iter().map(Natural::into_big);
        factors.chain([UBig::ONE]).fold(digest, |digest, factor| {
            let factor = u64::try_from(factor % MODULUS).expect("it is below 2^61");
            ((u128::from(digest) * 1_000_003 + u128::from(factor)) % MODULUS) as u64
        })
    })
}

/// Compares the stored digests of up to so many numbers of so many bits; gives how many there are.
fn compare(bits: u64, most: u64) -> usize {
    let mut compared = 0;
    for line in STORED.lines() {
        let words: Vec<u64> = line.split('\t').map(|word| word.parse().expect("a number")).collect();
        let [stored_bits, count, stored] = words[..] else { panic!("{line}") };
        if stored_bits == bits && count <= most {
            assert_eq!(digest(bits, count as usize), stored, "{count} of {bits} bits");
            compared += 1;
        }
    }
    compared
}

#[test]
fn a_hundred_thousand_numbers_of_32_and_of_64_bits() {
    assert_eq!(compare(32, 100_000), 3);
    assert_eq!(compare(64, 100_000), 3);
}

#[test]
fn ten_thousand_numbers_of_96_bits() {
    assert_eq!(compare(96, 10_000), 2);
}

#[test]
fn a_thousand_numbers_of_128_bits() {
    assert_eq!(compare(128, 1_000), 1);
}

#[test]
#[ignore = "takes minutes; `scripts/bench-factor --check` runs it"]
fn a_hundred_thousand_numbers_of_96_bits() {
    assert_eq!(compare(96, 100_000), 3);
}

#[test]
#[ignore = "takes minutes; `scripts/bench-factor --check` runs it"]
fn a_hundred_thousand_numbers_of_128_bits() {
    assert_eq!(compare(128, 100_000), 3);
}
