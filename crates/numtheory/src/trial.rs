//! Trial division by small primes, without dividing.
//!
//! T. Granlund and P. L. Montgomery, "Division by invariant integers using multiplication", 1994: an odd d divides n if
//! and only if n * (1/d mod 2^64) mod 2^64 is at most (2^64 - 1) / d, and then that product is the quotient.

use dashu_int::UBig;

use super::inverse::inverse;

/// How many odd primes are tried.
const COUNT: usize = 170;

/// The prime after the last one that is tried.
pub(super) const BOUND: u64 = 1_021;

/// Numbers below this have no factor left that trial division would not have found.
pub(crate) const DONE_BELOW: u64 = BOUND * BOUND;

/// What is left of a number without small factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// 1 or a prime.
    Done(u64),
    /// No factor below [`BOUND`].
    Open(u64),
}

/// An odd prime, and what tells its multiples.
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

/// Gives the small prime factors of n >= 1 to `found`, ascending.
#[inline]
pub(crate) fn divide(mut n: u64, mut found: impl FnMut(u64)) -> Left {
    for _ in 0..n.trailing_zeros() {
        found(2);
    }
    n >>= n.trailing_zeros();
    for divisor in &DIVISORS {
        if divisor.prime * divisor.prime > n {
            return Left::Done(n);
        }
        while let Some(quotient) = divisor.quotient(n) {
            n = quotient;
            found(divisor.prime);
        }
    }
    if n < DONE_BELOW { Left::Done(n) } else { Left::Open(n) }
}

/// The least factor of an odd composite that has none below [`BOUND`]: takes long, and never fails.
pub(crate) fn least_factor(n: u64) -> u64 {
    (BOUND..).step_by(2).find(|&divisor| n.is_multiple_of(divisor)).expect("n itself is one")
}

/// As [`divide`] for a number of any size above 0, which is divided by products of primes that fit a word. Each prime goes
/// to `found` with its exponent; returns the cofactor.
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
            // By powers whose exponents double: one division at a time would take quadratic time.
            let exponent = n.remove(&divisor.prime.into()).expect("n is above 0");
            found(divisor.prime, exponent);
        }
    }
    n
}

/// The product of as many primes as fit a word, and how many these are.
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
    fn the_table_holds_the_odd_primes_below_the_bound() {
        let primes = primes_up_to(BOUND as usize);
        assert!(
            DIVISORS.iter().map(|divisor| divisor.prime).eq(primes[1..=COUNT].iter().map(|&p| u64::from(p)))
        );
        assert_eq!(primes[COUNT + 1..], [BOUND as u32]);
    }

    #[test]
    fn the_least_factor_is_found_by_trying() {
        assert_eq!(least_factor(1_021 * 1_031), 1_021);
        assert_eq!(least_factor(1_000_003 * 1_000_033), 1_000_003);
    }

    #[test]
    fn squares_around_the_bound_are_left_open_or_divided() {
        assert_eq!(divide(BOUND * BOUND, |_| panic!("no small factor")), Left::Open(BOUND * BOUND));
        let mut found = Vec::new();
        assert_eq!(divide(1_019 * 1_019, |prime| found.push(prime)), Left::Done(1));
        assert_eq!(found, [1_019, 1_019]);
        assert_eq!(divide(1, |_| panic!("no factor")), Left::Done(1));
        assert_eq!(divide(2, |prime| assert_eq!(prime, 2)), Left::Done(1));
    }

    proptest! {
        #[test]
        fn both_sizes_agree(n in 1u64.., shift in 0u32..64) {
            let n = (n >> shift).max(1);
            let (mut one, mut other) = (Vec::new(), Vec::new());
            let left = match divide(n, |prime| one.push(prime)) {
                Left::Open(left) => left,
                Left::Done(left) => {
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
