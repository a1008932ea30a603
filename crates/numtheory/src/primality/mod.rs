//! Primality tests.
//!
//! Below 2^64 [`miller_rabin::is_prime`] is exact. Above, [`is_prime`] is the Baillie-PSW test: a strong
//! probable prime test to base 2 and a strong Lucas test ([`lucas`]). No composite is known to pass both
//! tests, and none below 2^64 does, but it has not been proven that there is none. Sixteen more bases are
//! tested, so that a counterexample that is found in the future is unlikely to pass.

mod lucas;
mod miller_rabin;
mod odd_part;

use dashu_int::UBig;

use super::ring::{Ring, Task, in_ring_of};
pub(crate) use miller_rabin::is_prime as is_prime_word;

/// Returns whether n is prime. Above 2^64 the result is probabilistic: `true` means that n passes all tests.
/// n must be odd, above 2^32, and without factors below 1,000.
pub(crate) fn is_prime(n: &UBig) -> bool {
    if let Ok(word) = u64::try_from(n) {
        return is_prime_word(word);
    }
    in_ring_of(n, BailliePsw)
}

struct BailliePsw;

impl Task for BailliePsw {
    type Output = bool;

    fn run<R: Ring>(self, ring: &R) -> bool {
        const MORE_BASES: [u64; 16] = [3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59];
        let passes = |base| miller_rabin::is_strong_probable_prime(ring, base);
        passes(2) && lucas::is_strong_probable_prime(ring) && MORE_BASES.into_iter().all(passes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mersenne_numbers() {
        let is_mersenne_prime = |exponent: &usize| is_prime(&((UBig::ONE << *exponent) - UBig::ONE));
        let found: Vec<usize> = (33..1300).filter(is_mersenne_prime).collect();
        assert_eq!(found, [61, 89, 107, 127, 521, 607, 1279]);
    }

    #[test]
    fn squares_and_products_of_large_primes_are_composite() {
        let (p, q) = ((UBig::ONE << 89) - UBig::ONE, (UBig::ONE << 107) - UBig::ONE);
        assert!(is_prime(&p) && is_prime(&q));
        assert!(!is_prime(&(&p * &q)) && !is_prime(&(&p * &p)));
    }

    /// Composites that pass the Miller-Rabin test for many bases: OEIS A014233, and one by F. Arnault
    /// ("Rabin-Miller primality test: composite numbers which pass it", 1995) that passes for all prime bases
    /// below 200.
    #[test]
    fn strong_pseudoprimes_are_composite() {
        for text in ["318665857834031151167461", "3317044064679887385961981"] {
            assert!(!is_prime(&text.parse().unwrap()), "{text}");
        }
        let digits = concat!(
            "29674495668685510550154174642905332730771991799853043350995075531276838753171770199594238596428",
            "121188033664754218345562493168782883"
        );
        let p: UBig = digits.parse().unwrap();
        let q = UBig::from(313u32) * (&p - UBig::ONE) + UBig::ONE;
        let r = UBig::from(353u32) * (&p - UBig::ONE) + UBig::ONE;
        assert!(is_prime(&p));
        assert!(!is_prime(&(p * q * r)));
    }
}
