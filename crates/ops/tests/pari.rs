//! Compares the prime factors of random numbers with those that PARI finds, by the digests in
//! `pari/digests.tsv`. These were written by `pari/digests.gp`.

use dashu_int::UBig;
use numtheory::Natural;

const STORED: &str = include_str!("pari/digests.tsv");

/// Returns random numbers of up to `bits` bits, the same as in `digests.gp`.
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

/// Returns the digest of the factors of the first `count` numbers.
fn digest(bits: u64, count: usize) -> u64 {
    const MODULUS: u128 = (1 << 61) - 1;
    numbers(bits).take(count).fold(0, |digest, number| {
        let factors = numtheory::factor(&number.into())
            .expect("the number is not 0")
            .into_iter()
            .map(Natural::into_big);
        factors.chain([UBig::ONE]).fold(digest, |digest, factor| {
            let factor = u64::try_from(factor % MODULUS).expect("a residue is below 2^61");
            ((u128::from(digest) * 1_000_003 + u128::from(factor)) % MODULUS) as u64
        })
    })
}

/// Compares the stored digests of up to `max_count` numbers of `bits` bits. Returns the number of compared
/// digests.
fn compare(bits: u64, max_count: u64) -> usize {
    let mut compared = 0;
    for line in STORED.lines() {
        let words: Vec<u64> =
            line.split('\t').map(|word| word.parse().expect("fields are numbers")).collect();
        let [stored_bits, count, stored] = words[..] else { panic!("{line}") };
        if stored_bits == bits && count <= max_count {
            assert_eq!(digest(bits, count as usize), stored, "{count} of {bits} bits");
            compared += 1;
        }
    }
    compared
}

#[test]
fn agrees_for_100_000_numbers_of_32_and_64_bits() {
    assert_eq!(compare(32, 100_000), 3);
    assert_eq!(compare(64, 100_000), 3);
}

#[test]
fn agrees_for_10_000_numbers_of_96_bits() {
    assert_eq!(compare(96, 10_000), 2);
}

#[test]
fn agrees_for_1_000_numbers_of_128_bits() {
    assert_eq!(compare(128, 1_000), 1);
}

#[test]
#[ignore = "takes minutes; `scripts/bench-factor --check` runs it"]
fn agrees_for_100_000_numbers_of_96_bits() {
    assert_eq!(compare(96, 100_000), 3);
}

#[test]
#[ignore = "takes minutes; `scripts/bench-factor --check` runs it"]
fn agrees_for_100_000_numbers_of_128_bits() {
    assert_eq!(compare(128, 100_000), 3);
}
