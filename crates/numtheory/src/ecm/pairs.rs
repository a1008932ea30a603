//! Stage 2: one additional prime between two bounds, by baby steps and giant steps.
//!
//! P. L. Montgomery, 1987, section 4. If q (k D +- j) = 0 for the point q from stage 1, then k D q and j q
//! have the same x. So the differences of these x are multiplied for all primes k D +- j, with a single
//! product if k D + j and k D - j are both prime.

use super::curve::{Curve, Point};
use crate::{
    gcd,
    primes::{composites_in, primes_up_to},
    ring::Ring,
};

/// Number of integers that are sieved at a time, so that memory does not grow with the bound.
const SIEVE_SIZE: usize = 1 << 20;

/// Pairs of multiples that are compared.
#[derive(Debug)]
pub(super) struct StageTwo {
    /// Giant step D, a multiple of 6.
    giant: usize,
    /// Baby steps j, ascending: numbers below D / 2 without a common factor with D.
    babies: Vec<usize>,
    /// End of the part of `compared` for each k, starting with k = 1.
    ends: Vec<u32>,
    /// Indices into `babies`.
    compared: Vec<u8>,
}

impl StageTwo {
    /// Creates the pairs for all primes above `from` and at least up to `to`.
    pub(super) fn new(from: u32, to: u32, giant: usize) -> StageTwo {
        let (from, to) = (from as usize, to as usize);
        let babies: Vec<usize> =
            (1..giant / 2).filter(|&baby| gcd::binary(baby as u64, giant as u64) == 1).collect();
        assert!(
            giant.is_multiple_of(6) && babies.len() <= 256,
            "the giant step must be a multiple of 6 with at most 256 baby steps"
        );
        assert!(from >= giant / 2, "stage 1 must include all primes below half of the giant step");
        let last = to.div_ceil(giant);
        let primes = primes_up_to((last * giant + giant).isqrt());
        let (mut ends, mut compared) = (Vec::new(), Vec::new());
        for part in (1..=last).collect::<Vec<_>>().chunks(SIEVE_SIZE.div_ceil(giant)) {
            let first = part[0] * giant - giant / 2;
            let composite = composites_in(first..first + part.len() * giant, &primes);
            let is_needed = |n: usize| n > from && !composite[n - first];
            for middle in part.iter().map(|k| k * giant) {
                let is_compared = |j: usize| is_needed(middle - j) || is_needed(middle + j);
                let indices = (0..babies.len()).filter(|&index| is_compared(babies[index]));
                compared.extend(indices.map(|index| index as u8));
                ends.push(compared.len() as u32);
            }
        }
        StageTwo { giant, babies, ends, compared }
    }

    /// Returns `product` multiplied by all differences. The result is 0 modulo each factor that is found.
    pub(super) fn run<R: Ring>(
        &self,
        curve: &Curve<'_, R>,
        q: &Point<R::Residue>,
        mut product: R::Residue,
    ) -> R::Residue {
        let ring = curve.ring;
        let multiples = self.multiples(curve, q);
        let babies: Vec<Compared<R>> =
            self.babies.iter().map(|&j| Compared::new(ring, multiples[index_of(j)].clone())).collect();
        let step = self.giant_step(curve, q, &multiples);
        // 2 D is a doubling: as a sum it would need 0 as the difference, the neutral element.
        let (mut before, mut giant) = (step.clone(), step.clone());
        let mut start = 0;
        for (index, &end) in self.ends.iter().enumerate() {
            let part = &self.compared[start..end as usize];
            if !part.is_empty() {
                let compared = Compared::new(ring, giant.clone());
                for &baby in part {
                    product = ring.mul(&product, &compared.difference(ring, &babies[usize::from(baby)]));
                }
            }
            start = end as usize;
            let next = if index == 0 { curve.double(&giant) } else { curve.add(&giant, &step, &before) };
            before = std::mem::replace(&mut giant, next);
        }
        product
    }

    /// Returns 1 q, 5 q, 7 q, 11 q, ..., up to the first two above D / 2.
    fn multiples<R: Ring>(&self, curve: &Curve<'_, R>, q: &Point<R::Residue>) -> Vec<Point<R::Residue>> {
        let two = curve.double(q);
        let three = curve.add(&two, q, q);
        let four = curve.double(&two);
        let five = curve.add(&three, &two, q);
        let six = curve.double(&three);
        let seven = curve.add(&four, &three, q);
        // 11 = 6 + 5, with the difference 1. Each following number is 6 more than the one before the last.
        let eleven = curve.add(&six, &five, q);
        let mut multiples = vec![q.clone(), five, seven, eleven];
        while value_at(multiples.len() - 2) <= self.giant / 2 {
            let last = multiples.len();
            let next = curve.add(&multiples[last - 2], &six, &multiples[last - 4]);
            multiples.push(next);
        }
        multiples
    }

    /// Returns D q, as the sum of the two multiples next to D / 2.
    fn giant_step<R: Ring>(
        &self,
        curve: &Curve<'_, R>,
        q: &Point<R::Residue>,
        multiples: &[Point<R::Residue>],
    ) -> Point<R::Residue> {
        let half = self.giant / 2;
        let two = curve.double(q);
        // The distance of D / 2 to the next numbers 6 n +- 1 is 1 if D / 2 is a multiple of 6, and 2 if it is
        // odd.
        let (distance, difference) = if half.is_multiple_of(2) { (1, two) } else { (2, curve.double(&two)) };
        curve.add(&multiples[index_of(half + distance)], &multiples[index_of(half - distance)], &difference)
    }
}

/// Returns the index of a number 6 n +- 1 in the sequence 1, 5, 7, 11, 13, ...
fn index_of(value: usize) -> usize {
    value / 3
}

/// Returns the number at an index of that sequence.
fn value_at(index: usize) -> usize {
    3 * index + 1 + index % 2
}

/// A point with the product of its coordinates, so that a comparison takes a single product.
struct Compared<R: Ring> {
    point: Point<R::Residue>,
    product: R::Residue,
}

impl<R: Ring> Compared<R> {
    fn new(ring: &R, point: Point<R::Residue>) -> Compared<R> {
        Compared { product: ring.mul(&point.x, &point.z), point }
    }

    /// Returns x z' - x' z.
    #[inline]
    fn difference(&self, ring: &R, other: &Compared<R>) -> R::Residue {
        let (p, q) = (&self.point, &other.point);
        let crossed = ring.mul(&ring.sub(&p.x, &q.x), &ring.add(&p.z, &q.z));
        ring.add(&ring.sub(&crossed, &self.product), &other.product)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primes::primes_up_to;

    #[test]
    fn compares_every_prime_between_the_bounds() {
        for (from, giant) in [(15, 30), (30, 60), (105, 210), (1_155, 2_310)] {
            let stage = StageTwo::new(from, 10_000, giant);
            let mut covered = std::collections::HashSet::new();
            let mut start = 0;
            for (index, &end) in stage.ends.iter().enumerate() {
                for &baby in &stage.compared[start..end as usize] {
                    let (middle, baby) = ((index + 1) * giant, stage.babies[usize::from(baby)]);
                    covered.extend([middle - baby, middle + baby]);
                }
                start = end as usize;
            }
            let primes = primes_up_to(10_000).into_iter().filter(|&prime| prime > from);
            for prime in primes.map(|prime| prime as usize) {
                assert!(covered.contains(&prime), "{prime} with steps of {giant}");
            }
        }
    }

    #[test]
    fn indices_and_values_agree() {
        let values: Vec<usize> = (0..100).map(value_at).collect();
        assert!(values.iter().copied().eq((1..300).filter(|value| value % 6 == 1 || value % 6 == 5)));
        assert!(values.iter().enumerate().all(|(index, &value)| index_of(value) == index));
    }
}
