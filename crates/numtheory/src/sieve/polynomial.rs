//! The polynomials (a x + b)^2 - k n = a (a x^2 + 2 b x + c) and their zeros modulo the primes of the base.
//!
//! a is a product of primes of the base, and there are many b for each a. The change from one b to the next
//! moves the zeros modulo each prime by an amount that is precomputed once for each a.

use std::collections::HashSet;

use dashu_int::{IBig, UBig, ops::SquareRoot};

use super::{
    base::{FactorBase, inverse},
    parameters::Parameters,
};

/// Marks a missing zero.
pub(super) const NONE: u32 = u32::MAX;

/// A polynomial. Its zeros modulo p are at x = -half + zero + i p for all integers i.
#[derive(Debug)]
pub(super) struct Polynomial {
    pub(super) a: u128,
    pub(super) b: i128,
    pub(super) c: i128,
    /// Both zeros modulo each prime of the base; [`NONE`] for 2 and for primes that divide a.
    pub(super) zeros: Vec<(u32, u32)>,
    /// Indices in the base of the primes that divide a, ascending.
    pub(super) in_a: Vec<usize>,
}

/// Generator of polynomials.
pub(super) struct Polynomials<'a> {
    base: &'a FactorBase,
    half: u32,
    selector: Selector<'a>,
    current: Polynomial,
    /// Terms of b, which is their sum with any combination of signs.
    terms: Vec<i128>,
    /// For each term, the distance by which it moves the zeros modulo each prime.
    moves: Vec<Vec<u32>>,
    /// Number of polynomials so far with the current a.
    count: u32,
}

impl<'a> Polynomials<'a> {
    pub(super) fn new(base: &'a FactorBase, parameters: &Parameters) -> Polynomials<'a> {
        let current =
            Polynomial { a: 0, b: 0, c: 0, zeros: vec![(NONE, NONE); base.primes.len()], in_a: Vec::new() };
        Polynomials {
            base,
            half: parameters.half,
            selector: Selector::new(base, parameters),
            current,
            terms: Vec::new(),
            moves: Vec::new(),
            count: 0,
        }
    }

    /// Returns the next polynomial, or `None` if there are no more products of primes for an a.
    pub(super) fn next(&mut self) -> Option<&Polynomial> {
        loop {
            // The sign of one term is fixed, because -b yields the same values as b.
            if self.count == 0 || self.count == 1 << (self.terms.len() - 1) {
                self.next_a()?;
                self.count = 1;
            } else {
                self.next_b();
                self.count += 1;
            }
            match self.constant() {
                Some(c) => {
                    self.current.c = c;
                    return Some(&self.current);
                }
                // This a is too far from the ideal one: c exceeds 128 bits.
                None => self.count = 0,
            }
        }
    }

    /// Returns c = (b^2 - k n) / a, if it fits into 128 bits.
    fn constant(&self) -> Option<i128> {
        let (b, multiple) = (IBig::from(self.current.b), IBig::from(self.base.multiple.clone()));
        i128::try_from((&b * &b - multiple) / IBig::from(self.current.a)).ok()
    }

    /// Selects the next a and computes its first b and all zeros.
    fn next_a(&mut self) -> Option<()> {
        self.current.in_a = self.selector.next()?;
        let primes = &self.base.primes;
        let factors = self.current.in_a.iter().map(|&index| primes[index]);
        let a: u128 = factors.clone().map(|prime| u128::from(prime.p)).product();
        self.terms = factors
            .map(|prime| {
                let (others, p) = (a / u128::from(prime.p), u64::from(prime.p));
                let inverse = inverse((others % u128::from(p)) as u32, prime.p);
                let times = u64::from(prime.root) * u64::from(inverse) % p;
                // Of both roots, the smaller one keeps b small.
                (others * u128::from(times.min(p - times))) as i128
            })
            .collect();
        self.current.a = a;
        self.current.b = self.terms.iter().sum();
        self.moves = vec![vec![0; primes.len()]; self.terms.len()];
        for (index, prime) in primes.iter().enumerate() {
            let residue = prime.residue_wide(a);
            if residue == 0 || prime.p == 2 {
                self.current.zeros[index] = (NONE, NONE);
                continue;
            }
            let (p, inverse) = (u64::from(prime.p), u64::from(inverse(residue, prime.p)));
            let b = u64::from(prime.residue_wide(self.current.b.unsigned_abs()));
            let zero = |root: u64| (((root + p - b) * inverse + u64::from(self.half)) % p) as u32;
            self.current.zeros[index] = (zero(u64::from(prime.root)), zero(p - u64::from(prime.root)));
            for (term, moves) in self.terms.iter().zip(&mut self.moves) {
                moves[index] =
                    (2 * u64::from(prime.residue_wide(term.unsigned_abs())) % p * inverse % p) as u32;
            }
        }
        Some(())
    }

    /// Computes the next b, in the order of a Gray code: the sign of one term changes.
    fn next_b(&mut self) {
        let changing = self.count.trailing_zeros() as usize;
        let becomes_negative = (self.count >> (changing + 1)).is_multiple_of(2);
        let change = 2 * self.terms[changing];
        self.current.b += if becomes_negative { -change } else { change };
        let moves = &self.moves[changing];
        for ((zeros, &distance), prime) in self.current.zeros.iter_mut().zip(moves).zip(&self.base.primes) {
            if zeros.0 == NONE {
                continue;
            }
            // A decrease of b increases the zeros.
            let rise = if becomes_negative { distance } else { prime.p - distance };
            let moved = |zero: u32| {
                let sum = zero + rise;
                if sum >= prime.p { sum - prime.p } else { sum }
            };
            *zeros = (moved(zeros.0), moved(zeros.1));
        }
    }
}

/// Maximum number of prime factors of an a. The largest n need seven.
const MAX_FACTORS: usize = 10;

/// Maximum ratio between an a and the ideal a, and vice versa.
const MAX_RATIO: f64 = 3.0;

/// Selects the prime factors of each a.
struct Selector<'a> {
    base: &'a FactorBase,
    /// The a that minimizes the values of the polynomial.
    ideal: f64,
    /// Number of prime factors of each a.
    factors: usize,
    /// Range of indices from which primes are drawn: `from..to`.
    from: usize,
    to: usize,
    /// Selections that were returned before.
    used: HashSet<Vec<usize>>,
    random: u64,
}

impl<'a> Selector<'a> {
    fn new(base: &'a FactorBase, parameters: &Parameters) -> Selector<'a> {
        let ideal = (&base.multiple * UBig::from(2u8)).sqrt() / UBig::from(parameters.half);
        let ideal = ideal.to_f64().value();
        let count = base.primes.len();
        let middle_of = |factors: usize| {
            let typical = ideal.powf(1.0 / factors as f64);
            base.primes.partition_point(|prime| f64::from(prime.p) < typical)
        };
        // Prefer primes in the middle of the base. The primes of a have no zeros to sieve with, which costs
        // most for small primes, and there are few combinations of large primes.
        let distance = |factors: &usize| middle_of(*factors).abs_diff(2 * count / 5);
        let factors = (2..=MAX_FACTORS).min_by_key(distance).unwrap_or(MAX_FACTORS);
        let middle = middle_of(factors);
        let radius = (count / 4).min(middle / 2).max(factors + 4);
        let (from, to) = (middle.saturating_sub(radius).max(2), (middle + radius).min(count));
        Selector { base, ideal, factors, from, to, used: HashSet::new(), random: 0x9e37_79b9_7f4a_7c15 }
    }

    fn next(&mut self) -> Option<Vec<usize>> {
        loop {
            let found = (0..1_000).find_map(|_| {
                let indices = self.draw()?;
                self.used.insert(indices.clone()).then_some(indices)
            });
            if found.is_some() || !self.widen() {
                return found;
            }
        }
    }

    /// Extends the range of indices. Returns `false` if it already includes the whole base.
    fn widen(&mut self) -> bool {
        let step = (self.to - self.from).max(1);
        let wider = (self.from.saturating_sub(step).max(2), (self.to + step).min(self.base.primes.len()));
        let is_wider = wider != (self.from, self.to);
        (self.from, self.to) = wider;
        is_wider
    }

    /// Draws all factors but the last at random, and selects the last one so that the product is as close as
    /// possible to the ideal a. Returns `None` if it is not close enough.
    fn draw(&mut self) -> Option<Vec<usize>> {
        let mut indices: Vec<usize> = Vec::with_capacity(self.factors);
        while indices.len() + 1 < self.factors {
            let index = self.from + (self.next_random() % (self.to - self.from) as u64) as usize;
            if !indices.contains(&index) && self.is_usable(index) {
                indices.push(index);
            }
        }
        let product: f64 = indices.iter().map(|&index| f64::from(self.base.primes[index].p)).product();
        let target = self.ideal / product;
        let nearest = self.base.primes.partition_point(|prime| f64::from(prime.p) < target);
        let around = [nearest, nearest.wrapping_sub(1), nearest + 1, nearest.wrapping_sub(2)];
        let last = around.into_iter().find(|&index| {
            (1..self.base.primes.len()).contains(&index) && !indices.contains(&index) && self.is_usable(index)
        })?;
        let ratio = f64::from(self.base.primes[last].p) / target;
        if !(1.0 / MAX_RATIO..=MAX_RATIO).contains(&ratio) {
            return None;
        }
        indices.push(last);
        indices.sort_unstable();
        Some(indices)
    }

    /// Returns whether a prime can be a factor of a. Primes that divide the multiplier cannot, since there is
    /// only one root modulo these.
    fn is_usable(&self, index: usize) -> bool {
        self.base.primes[index].root != 0
    }

    /// Returns the next number of a xorshift generator (G. Marsaglia, 2003) with a fixed seed.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sieve::MAX_BITS;
    use dashu_int::ops::BitTest;
    use proptest::prelude::*;

    #[test]
    fn uses_other_primes_if_there_are_few_near_the_ideal() {
        let words = [14_682_459_481_436_452_600, 7_924_517_931_380_135_426, 0, 61_783];
        let n = (UBig::from_words(&words) % (UBig::ONE << 66)) | (UBig::ONE << 65) | UBig::ONE;
        let parameters = Parameters::of(&n);
        let base = FactorBase::new(&n, parameters.primes);
        let mut polynomials = Polynomials::new(&base, &parameters);
        assert!((0..400).all(|_| polynomials.next().is_some()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// There are many polynomials for any number. They are near the ideal one, and their coefficients are
        /// correct.
        #[test]
        fn generates_many_correct_polynomials(
            words in prop::array::uniform4(any::<u64>()),
            bits in 66..=MAX_BITS,
        ) {
            let n = (UBig::from_words(&words) % (UBig::ONE << bits)) | (UBig::ONE << (bits - 1)) | UBig::ONE;
            let parameters = Parameters::of(&n);
            let base = FactorBase::new(&n, parameters.primes);
            let mut polynomials = Polynomials::new(&base, &parameters);
            for _ in 0..400 {
                let ideal = polynomials.selector.ideal;
                let polynomial = polynomials.next().expect("there are more polynomials");
                let Polynomial { a, b, c, zeros, in_a } = polynomial;
                let distance = ((*a as f64) / ideal).log2().abs();
                prop_assert!(distance < 2.0, "{} bits, {a} for {ideal}", n.bit_len());
                let discriminant = IBig::from(*b) * IBig::from(*b) - IBig::from(*a) * IBig::from(*c);
                prop_assert_eq!(&discriminant, &IBig::from(base.multiple.clone()));
                // The values are largest at both ends.
                let half = i128::from(parameters.half);
                let value = |x: i128| {
                    (*a as i128).checked_mul(x)?.checked_add(2 * b)?.checked_mul(x)?.checked_add(*c)
                };
                prop_assert!(value(half).is_some() && value(-half).is_some());
                for (index, prime) in base.primes.iter().enumerate().skip(1).step_by(7) {
                    if in_a.contains(&index) {
                        continue;
                    }
                    for zero in [zeros[index].0, zeros[index].1] {
                        let value = value(i128::from(zero) - half).expect("value fits into 128 bits");
                        prop_assert_eq!(value.rem_euclid(i128::from(prime.p)), 0);
                    }
                }
            }
        }
    }
}
