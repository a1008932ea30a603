//! Pollard's rho algorithm with Brent's cycle detection, for factors of up to about 20 bits and for splitting
//! products of such factors.
//!
//! J. M. Pollard, "A Monte Carlo method for factorization", 1975; R. P. Brent, "An improved Monte Carlo
//! factorization algorithm", 1980. Differences are multiplied, and the gcd of the product and n is computed
//! after each stride. A factor p is found after about 2 * sqrt(p) steps.

use dashu_int::UBig;

use super::ring::Ring;

/// Number of differences that are multiplied before each gcd.
const STRIDE: u64 = 64;

/// Returns a proper factor of the ring's modulus, an odd composite, if one is found within `steps` steps for
/// one of three sequences.
pub(crate) fn find_factor<R: Ring>(ring: &R, steps: u64) -> Option<UBig> {
    // A sequence may find all factors in the same step, so several constants are tried.
    (1..=3).find_map(|constant| Walk::new(ring, constant).find(steps))
}

/// The sequence x, x^2 + c, (x^2 + c)^2 + c, ...
struct Walk<'a, R: Ring> {
    ring: &'a R,
    constant: R::Residue,
    n: UBig,
}

impl<'a, R: Ring> Walk<'a, R> {
    fn new(ring: &'a R, constant: u64) -> Walk<'a, R> {
        Walk { ring, constant: ring.residue(constant), n: ring.modulus() }
    }

    fn step(&self, x: &R::Residue) -> R::Residue {
        self.ring.add(&self.ring.square(x), &self.constant)
    }

    fn find(&self, steps: u64) -> Option<UBig> {
        let (mut fast, mut product) = (self.ring.residue(2), self.ring.residue(1));
        let (mut length, mut total) = (1u64, 0);
        while total < steps {
            let slow = fast.clone();
            // Brent's rule: distances below half of the length were covered by earlier rounds.
            (0..length / 2).for_each(|_| fast = self.step(&fast));
            let mut done = length / 2;
            while done < length {
                let start = fast.clone();
                let stride = STRIDE.min(length - done);
                for _ in 0..stride {
                    fast = self.step(&fast);
                    product = self.ring.mul(&product, &self.ring.sub(&slow, &fast));
                }
                done += stride;
                let divisor = self.ring.common_divisor(&product);
                if !divisor.is_one() {
                    let found = if divisor == self.n { self.find_in_stride(&slow, start) } else { divisor };
                    return (found != self.n).then_some(found);
                }
            }
            total += length;
            length *= 2;
        }
        None
    }

    /// Repeats a stride that found several factors, computing the gcd in each step.
    fn find_in_stride(&self, slow: &R::Residue, mut fast: R::Residue) -> UBig {
        loop {
            fast = self.step(&fast);
            let divisor = self.ring.common_divisor(&self.ring.sub(slow, &fast));
            if !divisor.is_one() {
                return divisor;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{primes::primes_up_to, ring::Word};

    #[test]
    fn splits_products_of_primes_around_a_thousand() {
        let primes = primes_up_to(1_200);
        let primes = &primes[150..];
        for (index, &p) in primes.iter().enumerate() {
            for &q in &primes[index..] {
                let n = u64::from(p) * u64::from(q);
                let found = find_factor(&Word::new(n), 1 << 20).unwrap();
                assert!(found == UBig::from(p) || found == UBig::from(q), "{n}: {found}");
            }
        }
    }

    #[test]
    fn returns_none_after_the_last_step() {
        assert_eq!(find_factor(&Word::new(4_294_967_291 * 4_294_967_279), 1 << 8), None);
    }
}
