//! Miller-Rabin test.
//!
//! G. L. Miller, "Riemann's hypothesis and tests for primality", 1976; M. O. Rabin, "Probabilistic algorithm
//! for testing primality", 1980. An odd n passes for a base b if b to the odd part of n - 1 is 1, or becomes
//! -1 while it is squared until the exponent is (n - 1) / 2. Primes pass for every base.

use std::array;

use dashu_int::UBig;

use super::odd_part::odd_part;
use crate::ring::{Ring, Word};

/// Returns whether an odd n above 2 is prime.
///
/// The test is deterministic, because no composite passes for all bases of its range: 2, 7 and 61 below
/// 4,759,123,141 (G. Jaeschke, "On strong pseudoprimes to several bases", 1993), and seven bases found by J.
/// Sinclair below 2^64 (2011; checked against J. Feitsma's list of all pseudoprimes to base 2 below 2^64).
pub(crate) fn is_prime(n: u64) -> bool {
    debug_assert!(n % 2 == 1 && n > 2);
    let ring = Word::new(n);
    if n < 4_759_123_141 {
        return passes(n, &ring, [2, 7, 61]);
    }
    // Most composites fail for the first base. The others are tested three at a time, so that the CPU can
    // overlap their multiplications.
    passes(n, &ring, [2])
        && passes(n, &ring, [325, 9_375, 28_178])
        && passes(n, &ring, [450_775, 9_780_504, 1_795_265_022])
}

/// Returns whether n passes for all bases. n always passes for a base that is a multiple of n.
fn passes<const BASES: usize>(n: u64, ring: &Word, bases: [u64; BASES]) -> bool {
    let bases = bases.map(|base| ring.residue(base));
    let (one, zero) = (ring.residue(1), ring.residue(0));
    let minus_one = ring.sub(&zero, &one);
    let twos = (n - 1).trailing_zeros();
    let odd = (n - 1) >> twos;
    let mut powers = bases;
    for bit in (0..odd.ilog2()).rev() {
        powers = powers.map(|power| ring.square(&power));
        if odd >> bit & 1 == 1 {
            powers = array::from_fn(|lane| ring.mul(&powers[lane], &bases[lane]));
        }
    }
    let is_witnessed: [bool; BASES] = array::from_fn(|lane| {
        let mut power = powers[lane];
        let passes = bases[lane] == zero
            || power == one
            || power == minus_one
            || (1..twos).any(|_| {
                power = ring.square(&power);
                power == minus_one
            });
        !passes
    });
    is_witnessed == [false; BASES]
}

/// Returns whether the modulus of the ring, an odd number above 2, passes for a base. The base must not be a
/// multiple of the modulus.
pub(super) fn is_strong_probable_prime<R: Ring>(ring: &R, base: u64) -> bool {
    let one = ring.residue(1);
    let minus_one = ring.sub(&ring.residue(0), &one);
    let (odd, twos) = odd_part(ring.modulus() - UBig::ONE);
    let mut power = ring.pow(&ring.residue(base), &odd);
    if power == one || power == minus_one {
        return true;
    }
    (1..twos).any(|_| {
        power = ring.square(&power);
        power == minus_one
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primes::composites_up_to;

    #[test]
    fn agrees_with_sieve() {
        let composite = composites_up_to(200_000);
        for n in (3..200_000).step_by(2) {
            assert_eq!(is_prime(n as u64), !composite[n], "{n}");
        }
    }

    #[test]
    fn strong_pseudoprimes_to_the_first_bases_are_composite() {
        // OEIS A014233: the smallest odd composites that pass for the first 1, 2, 3, ... prime bases.
        for n in [
            2_047,
            1_373_653,
            25_326_001,
            3_215_031_751,
            2_152_302_898_747,
            3_474_749_660_383,
            341_550_071_728_321,
            3_825_123_056_546_413_051,
        ] {
            assert!(!is_prime(n), "{n}");
        }
    }

    #[test]
    fn primes_next_to_powers_of_two() {
        // The largest primes below 2^32, 2^63, 2^64, the smallest above 2^32 and 2^63, and those next to
        // 4,759,123,141.
        for n in [
            (1 << 32) - 5,
            (1 << 32) + 15,
            (1 << 63) - 25,
            (1 << 63) + 29,
            u64::MAX - 58,
            4_759_123_129,
            4_759_123_151,
        ] {
            assert!(is_prime(n), "{n}");
        }
    }
}
