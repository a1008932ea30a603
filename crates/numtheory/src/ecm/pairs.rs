//! The second stage: one more prime between two bounds.
//!
//! P. L. Montgomery, 1987, section 4. If q (k D +- j) = 0 for the point q that the first stage has left, then the x of
//! k D q and of j q agree. So for each prime k D +- j the difference of these two is multiplied up, one product for two
//! primes where both are prime.

use super::curve::{Curve, Point};
use crate::{
    gcd,
    primes::{composites_in, primes_up_to},
    ring::Ring,
};

/// How many numbers are sieved at a time, so that what is held does not grow with the bound.
const SIEVED: usize = 1 << 20;

/// Which multiples are compared.
#[derive(Debug)]
pub(super) struct Pairs {
    /// D, a multiple of 6.
    giant: usize,
    /// The j, ascending: numbers below D / 2 without a factor in common with D.
    babies: Vec<usize>,
    /// For each k from 1 on where its part of `compared` ends.
    ends: Vec<u32>,
    /// Places in `babies`.
    compared: Vec<u8>,
}

impl Pairs {
    /// For the primes above `from`, up to `to` at least.
    pub(super) fn new(from: u32, to: u32, giant: usize) -> Pairs {
        let (from, to) = (from as usize, to as usize);
        let babies: Vec<usize> =
            (1..giant / 2).filter(|&baby| gcd::binary(baby as u64, giant as u64) == 1).collect();
        assert!(
            giant.is_multiple_of(6) && babies.len() <= 256,
            "a place fits a byte, and the babies' chain works"
        );
        assert!(from >= giant / 2, "what is below the first multiple's reach belongs to the first stage");
        let last = to.div_ceil(giant);
        let primes = primes_up_to((last * giant + giant).isqrt());
        let (mut ends, mut compared) = (Vec::new(), Vec::new());
        for part in (1..=last).collect::<Vec<_>>().chunks(SIEVED.div_ceil(giant)) {
            let first = part[0] * giant - giant / 2;
            let composite = composites_in(first..first + part.len() * giant, &primes);
            let is_wanted = |n: usize| n > from && !composite[n - first];
            for middle in part.iter().map(|k| k * giant) {
                let is_compared = |j: usize| is_wanted(middle - j) || is_wanted(middle + j);
                let places = (0..babies.len()).filter(|&place| is_compared(babies[place]));
                compared.extend(places.map(|place| place as u8));
                ends.push(compared.len() as u32);
            }
        }
        Pairs { giant, babies, ends, compared }
    }

    /// The product of all differences and of what it is given, which is 0 modulo a factor that is found.
    pub(super) fn run<R: Ring>(
        &self,
        curve: &Curve<'_, R>,
        q: &Point<R::Residue>,
        mut product: R::Residue,
    ) -> R::Residue {
        let ring = curve.ring;
        let multiples = self.multiples(curve, q);
        let babies: Vec<Compared<R>> =
            self.babies.iter().map(|&j| Compared::new(ring, multiples[place_of(j)].clone())).collect();
        let step = self.giant_step(curve, q, &multiples);
        // k = 0 is the neutral element, which no difference needs: 2 D is a doubling.
        let (mut before, mut giant) = (step.clone(), step.clone());
        let mut start = 0;
        for (index, &end) in self.ends.iter().enumerate() {
            let part = &self.compared[start..end as usize];
            if !part.is_empty() {
                let compared = Compared::new(ring, giant.clone());
                for &place in part {
                    product = ring.mul(&product, &compared.difference(ring, &babies[usize::from(place)]));
                }
            }
            start = end as usize;
            let next = if index == 0 { curve.double(&giant) } else { curve.add(&giant, &step, &before) };
            before = std::mem::replace(&mut giant, next);
        }
        product
    }

    /// 1 q, 5 q, 7 q, 11 q, ..., up to the first two above D / 2.
    fn multiples<R: Ring>(&self, curve: &Curve<'_, R>, q: &Point<R::Residue>) -> Vec<Point<R::Residue>> {
        let two = curve.double(q);
        let three = curve.add(&two, q, q);
        let four = curve.double(&two);
        let five = curve.add(&three, &two, q);
        let six = curve.double(&three);
        let seven = curve.add(&four, &three, q);
        // 11 - 6 = 5 = 6 - 1; from there on each is 6 more than the one before the last.
        let eleven = curve.add(&six, &five, q);
        let mut multiples = vec![q.clone(), five, seven, eleven];
        while value_at(multiples.len() - 2) <= self.giant / 2 {
            let last = multiples.len();
            let next = curve.add(&multiples[last - 2], &six, &multiples[last - 4]);
            multiples.push(next);
        }
        multiples
    }

    /// D q, as the sum of the two multiples next to D / 2.
    fn giant_step<R: Ring>(
        &self,
        curve: &Curve<'_, R>,
        q: &Point<R::Residue>,
        multiples: &[Point<R::Residue>],
    ) -> Point<R::Residue> {
        let half = self.giant / 2;
        let two = curve.double(q);
        // The nearest numbers 6 n +- 1 are 1 away from a multiple of 6, and 2 from one that is odd.
        let (distance, difference) = if half.is_multiple_of(2) { (1, two) } else { (2, curve.double(&two)) };
        curve.add(&multiples[place_of(half + distance)], &multiples[place_of(half - distance)], &difference)
    }
}

/// The place of 6 n +- 1 among 1, 5, 7, 11, 13, ...
fn place_of(value: usize) -> usize {
    value / 3
}

fn value_at(place: usize) -> usize {
    3 * place + 1 + place % 2
}

/// A point with the product of its coordinates, so that comparing it takes one product.
struct Compared<R: Ring> {
    point: Point<R::Residue>,
    product: R::Residue,
}

impl<R: Ring> Compared<R> {
    fn new(ring: &R, point: Point<R::Residue>) -> Compared<R> {
        Compared { product: ring.mul(&point.x, &point.z), point }
    }

    /// x z' - x' z.
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
    fn every_prime_between_the_bounds_is_compared() {
        for (from, giant) in [(15, 30), (30, 60), (105, 210), (1_155, 2_310)] {
            let pairs = Pairs::new(from, 10_000, giant);
            let mut covered = std::collections::HashSet::new();
            let mut start = 0;
            for (index, &end) in pairs.ends.iter().enumerate() {
                for &place in &pairs.compared[start..end as usize] {
                    let (middle, baby) = ((index + 1) * giant, pairs.babies[usize::from(place)]);
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
    fn places_and_values_agree() {
        let values: Vec<usize> = (0..100).map(value_at).collect();
        assert!(values.iter().copied().eq((1..300).filter(|value| value % 6 == 1 || value % 6 == 5)));
        assert!(values.iter().enumerate().all(|(place, &value)| place_of(value) == place));
    }
}
