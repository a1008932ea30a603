//! Prime factors below 2^20 of long numbers, found by remainder trees.
//!
//! A number and its remainder modulo the product of many primes have the same prime factors among these
//! primes. A long number is first reduced modulo products of about its own length, and the remainders modulo
//! shorter products in turn, so that most of the work is fast division of long numbers (D. J. Bernstein,
//! "Scaled remainder trees", 2004). Primes with equal exponents are divided out together, since dividing by
//! one at a time would take quadratic time in the number of factors.

use std::{ops::Range, sync::OnceLock};

use dashu_int::{UBig, ops::BitTest};

use super::{
    primes::{composites_in, primes_up_to},
    trial::BOUND,
};

/// Bit length of the largest prime.
const PRIME_BITS: usize = 20;

/// Number of primes up to which products of one word are used; larger products would not pay off.
const FEW_PRIMES: usize = 64;

/// Number of bits up to which products of one word are used.
const SHORT_BITS: usize = 64 * 64;

/// Ranges of primes, ascending. Most smooth numbers are factored before the last and longest range.
pub(crate) static SEGMENTS: [Segment; 6] = [
    Segment::new(BOUND as usize, 1 << 12),
    Segment::new(1 << 12, 1 << 13),
    Segment::new(1 << 13, 1 << 14),
    Segment::new(1 << 14, 1 << 16),
    Segment::new(1 << 16, 1 << 18),
    Segment::new(1 << 18, 1 << 20),
];

/// The primes in a range, computed on first use.
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

    /// Divides `n` > 0 by all its prime factors in this range. Calls `found` with each prime and its
    /// exponent. It may be called several times for a prime, whose exponent is the sum then.
    pub(crate) fn divide(&self, n: &mut UBig, mut found: impl FnMut(u32, usize)) {
        let mut divisors = divisors_among(self.primes(), n);
        while !divisors.is_empty() {
            let exponent = n.remove(&product(&divisors)).expect("n and the product are above 1");
            divisors.iter().for_each(|&prime| found(prime, exponent));
            divisors = divisors_among(&divisors, n);
        }
    }
}

/// Returns the primes that divide `n`; all primes must be below 2^20.
fn divisors_among(primes: &[u32], n: &UBig) -> Vec<u32> {
    let mut found = Vec::new();
    collect_divisors(primes, n, &mut found);
    found
}

fn collect_divisors(primes: &[u32], n: &UBig, found: &mut Vec<u32>) {
    if primes.len() <= FEW_PRIMES || n.bit_len() <= SHORT_BITS {
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

/// Finds divisors by reducing `n` modulo products of primes that fit into a word.
fn collect_by_words(mut primes: &[u32], n: &UBig, found: &mut Vec<u32>) {
    while !primes.is_empty() {
        let (product, count) = word_product(primes);
        let (group, rest) = primes.split_at(count);
        primes = rest;
        let residue = n % product;
        found.extend(group.iter().filter(|&&prime| residue.is_multiple_of(prime.into())));
    }
}

/// Returns the product of the first primes, as many as fit into a word, and their number.
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

/// Returns the product of all primes.
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

    /// Divides by the primes of all segments. Returns the cofactor, and the primes with their exponents.
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
    fn segments_contain_all_primes_of_their_ranges() {
        let primes = primes_up_to(1 << 20);
        let first = primes.partition_point(|&prime| u64::from(prime) < BOUND);
        assert_eq!(all_primes(), primes[first..]);
    }

    #[test]
    fn factors_the_product_of_all_primes() {
        let primes = all_primes();
        let rest = (UBig::ONE << 127) - UBig::ONE;
        let (left, found) = divided(product(&primes) * &rest);
        assert_eq!(left, rest);
        assert!(found.iter().copied().eq(primes.iter().map(|&prime| (prime, 1))));
    }

    #[test]
    fn numbers_without_small_factors_are_unchanged() {
        for n in [UBig::ONE, UBig::from(1_048_583u32), (UBig::ONE << 9_689) - UBig::ONE] {
            assert_eq!(divided(n.clone()), (n, vec![]));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn returns_primes_and_exponents_of_products(
            chosen in prop::collection::vec((any::<prop::sample::Index>(), 1usize..40), 1..60),
            rest in 0u32..3,
        ) {
            let primes = all_primes();
            let power = |(index, exponent): &(prop::sample::Index, usize)| {
                (primes[index.index(primes.len())], *exponent)
            };
            let mut powers: Vec<(u32, usize)> = chosen.iter().map(power).collect();
            powers.sort_unstable();
            powers.dedup_by_key(|power| power.0);
            let rest = UBig::from(1_048_583u32).pow(rest as usize);
            let mut n = rest.clone();
            powers.iter().for_each(|&(prime, exponent)| n *= UBig::from(prime).pow(exponent));
            prop_assert_eq!(divided(n), (rest, powers));
        }
    }
}
