//! Trial division by small primes, implemented with multiplications.
//!
//! T. Granlund and P. L. Montgomery, "Division by invariant integers using multiplication", 1994: an odd d
//! divides n if and only if n * (1/d mod 2^64) mod 2^64 is at most (2^64 - 1) / d. Then that product is the
//! quotient.

use dashu_int::UBig;

use super::inverse::inverse;

/// Number of odd primes that are tried.
const COUNT: usize = 170;

/// First prime that is not tried.
pub(super) const BOUND: u64 = 1_021;

/// A number above 1 and below this limit that has no factor below [`BOUND`] is prime.
pub(crate) const PRIME_BELOW: u64 = BOUND * BOUND;

/// Cofactor of a number after trial division.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cofactor {
    /// 1 or a prime.
    Done(u64),
    /// A number of [`PRIME_BELOW`] or above without factors below [`BOUND`].
    Unfactored(u64),
}

/// An odd prime with the constants of the divisibility test.
#[derive(Clone, Copy, Debug)]
struct Divisor {
    prime: u64,
    inverse: u64,
    largest_quotient: u64,
}

impl Divisor {
    const fn new(prime: u64) -> Divisor {
        Divisor { prime, inverse: inverse(prime), largest_quotient: u64::MAX / prime }
    }

    /// Returns n / prime if it is an integer.
    #[inline]
    fn quotient(&self, n: u64) -> Option<u64> {
        let quotient = n.wrapping_mul(self.inverse);
        (quotient <= self.largest_quotient).then_some(quotient)
    }
}

static DIVISORS: [Divisor; COUNT] = divisors();

const fn divisors() -> [Divisor; COUNT] {
    let mut divisors = [Divisor::new(3); COUNT];
    let (mut found, mut candidate) = (1, 5);
    while found < COUNT {
        let mut index = 0;
        while index < found && candidate % divisors[index].prime != 0 {
            index += 1;
        }
        if index == found {
            divisors[found] = Divisor::new(candidate);
            found += 1;
        }
        candidate += 2;
    }
    divisors
}

/// Calls `found` with each prime factor of n >= 1 below [`BOUND`], ascending. Returns the cofactor.
#[inline]
pub(crate) fn divide(mut n: u64, mut found: impl FnMut(u64)) -> Cofactor {
    for _ in 0..n.trailing_zeros() {
        found(2);
    }
    n >>= n.trailing_zeros();
    for divisor in &DIVISORS {
        if divisor.prime * divisor.prime > n {
            return Cofactor::Done(n);
        }
        while let Some(quotient) = divisor.quotient(n) {
            n = quotient;
            found(divisor.prime);
        }
    }
    if n < PRIME_BELOW { Cofactor::Done(n) } else { Cofactor::Unfactored(n) }
}

/// Returns the smallest factor above 1 of an odd number without factors below [`BOUND`]. Slow, but always
/// succeeds.
pub(crate) fn smallest_factor(n: u64) -> u64 {
    (BOUND..).step_by(2).find(|&divisor| n.is_multiple_of(divisor)).expect("n divides itself")
}

/// Like [`divide`], for a number of any size above 0. Calls `found` with each prime and its exponent and
/// returns the cofactor. The number is first reduced modulo products of primes that fit into a word.
pub(crate) fn divide_wide(mut n: UBig, mut found: impl FnMut(u64, usize)) -> UBig {
    debug_assert!(!n.is_zero());
    let twos = n.trailing_zeros().unwrap_or(0);
    if twos > 0 {
        found(2, twos);
        n >>= twos;
    }
    let mut rest = &DIVISORS[..];
    while !rest.is_empty() {
        let (product, count) = product_of_first(rest);
        let (group, later) = rest.split_at(count);
        rest = later;
        let residue = &n % product;
        for divisor in group.iter().filter(|divisor| divisor.quotient(residue).is_some()) {
            // `remove` divides by powers with doubling exponents; single divisions would take quadratic time.
            let exponent = n.remove(&divisor.prime.into()).expect("n is above 0");
            found(divisor.prime, exponent);
        }
    }
    n
}

/// Returns the product of the first primes, as many as fit into a word, and their number.
fn product_of_first(divisors: &[Divisor]) -> (u64, usize) {
    let mut product = 1u64;
    for (count, divisor) in divisors.iter().enumerate() {
        match product.checked_mul(divisor.prime) {
            Some(larger) => product = larger,
            None => return (product, count),
        }
    }
    (product, divisors.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primes::primes_up_to;
    use proptest::prelude::*;

    #[test]
    fn table_contains_the_odd_primes_below_the_bound() {
        let primes = primes_up_to(BOUND as usize);
        assert!(
            DIVISORS.iter().map(|divisor| divisor.prime).eq(primes[1..=COUNT].iter().map(|&p| u64::from(p)))
        );
        assert_eq!(primes[COUNT + 1..], [BOUND as u32]);
    }

    #[test]
    fn finds_the_smallest_factor() {
        assert_eq!(smallest_factor(1_021 * 1_031), 1_021);
        assert_eq!(smallest_factor(1_000_003 * 1_000_033), 1_000_003);
    }

    #[test]
    fn squares_around_the_bound() {
        assert_eq!(divide(BOUND * BOUND, |_| panic!("no small factor")), Cofactor::Unfactored(BOUND * BOUND));
        let mut found = Vec::new();
        assert_eq!(divide(1_019 * 1_019, |prime| found.push(prime)), Cofactor::Done(1));
        assert_eq!(found, [1_019, 1_019]);
        assert_eq!(divide(1, |_| panic!("no factor")), Cofactor::Done(1));
        assert_eq!(divide(2, |prime| assert_eq!(prime, 2)), Cofactor::Done(1));
    }

    proptest! {
        #[test]
        fn word_and_wide_division_agree(n in 1u64.., shift in 0u32..64) {
            let n = (n >> shift).max(1);
            let (mut one, mut other) = (Vec::new(), Vec::new());
            let left = match divide(n, |prime| one.push(prime)) {
                Cofactor::Unfactored(left) => left,
                Cofactor::Done(left) => {
                    one.extend((left > 1).then_some(left).filter(|&left| left < BOUND));
                    if left < BOUND { 1 } else { left }
                }
            };
            let mut repeat = |prime, exponent| other.extend(std::iter::repeat_n(prime, exponent));
            prop_assert_eq!(divide_wide(n.into(), &mut repeat), UBig::from(left));
            prop_assert_eq!(&one, &other);
            prop_assert_eq!(one.iter().product::<u64>() * left, n);
        }
    }
}
