//! Prime factors below 2^20 of long numbers: remainders modulo products of primes.
//!
//! A remainder modulo the product of many primes has the same prime factors among them as the number itself. A long number is
//! reduced modulo products of about its own length first and the remainders modulo shorter products in turn, so that
//! most of the work is fast division of long numbers (D. J. Bernstein, "Scaled remainder trees", 2004). Primes that occur
//! equally often are divided out together: dividing by one at a time would take quadratic time in the number of factors.

use std::{ops::Range, sync::OnceLock};

use dashu_int::{UBig, ops::BitTest};

use super::{
    primes::{composites_in, primes_up_to},
    trial::BOUND,
};

/// The bit length of the largest prime here.
const PRIME_BITS: usize = 20;

/// Up to this many primes, and numbers of up to this many bits, are handled word by word: products would not pay.
const FEW: usize = 64;
const SHORT: usize = 64 * 64;

/// Ranges of primes, ascending: most smooth numbers are done before the last and longest.
pub(crate) static SEGMENTS: [Segment; 6] = [
    Segment::new(BOUND as usize, 1 << 12),
    Segment::new(1 << 12, 1 << 13),
    Segment::new(1 << 13, 1 << 14),
    Segment::new(1 << 14, 1 << 16),
    Segment::new(1 << 16, 1 << 18),
    Segment::new(1 << 18, 1 << 20),
];

/// The primes in a range, found when they are first needed.
#[derive(Debug)]
pub(crate) struct Segment {
    range: Range<usize>,
    primes: OnceLock<Vec<u32>>,
}

impl Segment {
    const fn new(start: usize, end: usize) -> Segment {
        Segment { range: start..end, primes: OnceLock::new() }
    }

    fn primes(&self) -> &[u32] {
        self.primes.get_or_init(|| {
            let composite = composites_in(self.range.clone(), &primes_up_to(self.range.end.isqrt()));
            let numbers = self.range.clone().zip(composite);
            numbers.filter(|(_, is_composite)| !is_composite).map(|(number, _)| number as u32).collect()
        })
    }

    /// Divides `n` > 0 by its prime factors in this range. They go to `found` with exponents, some of them several times: the
    /// exponents of a prime add up.
    pub(crate) fn divide(&self, n: &mut UBig, mut found: impl FnMut(u32, usize)) {
        let mut dividing = divisors_among(self.primes(), n);
        while !dividing.is_empty() {
            let exponent = n.remove(&product(&dividing)).expect("n and the product are above 1");
            dividing.iter().for_each(|&prime| found(prime, exponent));
            dividing = divisors_among(&dividing, n);
        }
    }
}

/// Those of the primes, all below 2^20, that divide `n`.
fn divisors_among(primes: &[u32], n: &UBig) -> Vec<u32> {
    let mut found = Vec::new();
    collect_divisors(primes, n, &mut found);
    found
}

fn collect_divisors(primes: &[u32], n: &UBig, found: &mut Vec<u32>) {
    if primes.len() <= FEW || n.bit_len() <= SHORT {
        return collect_by_words(primes, n, found);
    }
    let (first, second) = primes.split_at(primes.len() / 2);
    for half in [first, second] {
        if n.bit_len() > 2 * PRIME_BITS * half.len() {
            collect_divisors(half, &(n % product(half)), found);
        } else {
            collect_divisors(half, n, found);
        }
    }
}

/// Reduces `n` modulo products of primes that fit a word.
fn collect_by_words(mut primes: &[u32], n: &UBig, found: &mut Vec<u32>) {
    while !primes.is_empty() {
        let (product, count) = word_product(primes);
        let (group, rest) = primes.split_at(count);
        primes = rest;
        let residue = n % product;
        found.extend(group.iter().filter(|&&prime| residue.is_multiple_of(prime.into())));
    }
}

/// The product of the first of the primes, as many as fit a word, and their number.
fn word_product(primes: &[u32]) -> (u64, usize) {
    let mut product = 1u64;
    for (count, &prime) in primes.iter().enumerate() {
        match product.checked_mul(prime.into()) {
            Some(larger) => product = larger,
            None => return (product, count),
        }
    }
    (product, primes.len())
}

/// The product of all of the primes.
fn product(primes: &[u32]) -> UBig {
    let (first, count) = word_product(primes);
    if count == primes.len() {
        return first.into();
    }
    let (first, second) = primes.split_at(primes.len() / 2);
    product(first) * product(second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all_primes() -> Vec<u32> {
        SEGMENTS.iter().flat_map(Segment::primes).copied().collect()
    }

    /// Divides by all segments; what is left, and the primes found with their exponents.
    fn divided(mut n: UBig) -> (UBig, Vec<(u32, usize)>) {
        let mut found = Vec::new();
        for segment in &SEGMENTS {
            segment.divide(&mut n, |prime, exponent| found.push((prime, exponent)));
        }
        found.sort_unstable();
        found.dedup_by(|later, earlier| {
            let is_same = later.0 == earlier.0;
            earlier.1 += if is_same { later.1 } else { 0 };
            is_same
        });
        (n, found)
    }

    #[test]
    fn segments_hold_the_primes_between_their_ends() {
        let primes = primes_up_to(1 << 20);
        let first = primes.partition_point(|&prime| u64::from(prime) < BOUND);
        assert_eq!(all_primes(), primes[first..]);
    }

    #[test]
    fn the_product_of_all_primes_is_taken_apart() {
        let primes = all_primes();
        let rest = (UBig::ONE << 127) - UBig::ONE;
        let (left, found) = divided(product(&primes) * &rest);
        assert_eq!(left, rest);
        assert!(found.iter().copied().eq(primes.iter().map(|&prime| (prime, 1))));
    }

    #[test]
    fn numbers_without_such_factors_are_left_alone() {
        for n in [UBig::ONE, UBig::from(1_048_583u32), (UBig::ONE << 9_689) - UBig::ONE] {
            assert_eq!(divided(n.clone()), (n, vec![]));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn exponents_are_those_of_the_product(
            chosen in prop::collection::vec((any::<prop::sample::Index>(), 1usize..40), 1..60),
            rest in 0u32..3,
        ) {
            let primes = all_primes();
            let mut powers: Vec<(u32, usize)> =
                chosen.iter().map(|(index, exponent)| (primes[index.index(primes.len())], *exponent)).collect();
            powers.sort_unstable();
            powers.dedup_by_key(|power| power.0);
            let rest = UBig::from(1_048_583u32).pow(rest as usize);
            let n = powers.iter().fold(rest.clone(), |n, &(prime, exponent)| n * UBig::from(prime).pow(exponent));
            prop_assert_eq!(divided(n), (rest, powers));
        }
    }
}
