//! The polynomials (a x + b)^2 - k n = a (a x^2 + 2 b x + c), and where primes divide them.
//!
//! a is a product of primes of the base, and there are many b for one a: going from one to the next moves the zeros
//! modulo each prime by what has been worked out once for the a.

use std::collections::HashSet;

use dashu_int::{IBig, UBig, ops::SquareRoot};

use super::{
    base::{Base, inverse},
    size::Size,
};

/// In place of a zero: there is none.
pub(super) const NONE: u32 = u32::MAX;

/// One polynomial. Its zeros modulo p are at x = -half + zero, and in steps of p from there.
#[derive(Debug)]
pub(super) struct Polynomial {
    pub(super) a: u128,
    pub(super) b: i128,
    pub(super) c: i128,
    /// Both zeros modulo each prime of the base, [`NONE`] for those that divide a and for 2.
    pub(super) zeros: Vec<(u32, u32)>,
    /// The places in the base of the primes that divide a, ascending.
    pub(super) in_a: Vec<usize>,
}

/// An endless supply of them.
pub(super) struct Polynomials<'a> {
    base: &'a Base,
    half: u32,
    choice: Choice<'a>,
    current: Polynomial,
    /// The parts whose sum, each taken positive or negative, b is.
    parts: Vec<i128>,
    /// For each part by how much it moves the zeros modulo each prime.
    moves: Vec<Vec<u32>>,
    /// How many polynomials there have been with this a.
    count: u32,
}

impl<'a> Polynomials<'a> {
    pub(super) fn new(base: &'a Base, size: &Size) -> Polynomials<'a> {
        let current =
            Polynomial { a: 0, b: 0, c: 0, zeros: vec![(NONE, NONE); base.primes.len()], in_a: Vec::new() };
        Polynomials {
            base,
            half: size.half,
            choice: Choice::new(base, size),
            current,
            parts: Vec::new(),
            moves: Vec::new(),
            count: 0,
        }
    }

    /// The next one; none if the base has no more products to offer.
    pub(super) fn next(&mut self) -> Option<&Polynomial> {
        loop {
            // The signs of all parts but one are free: the negative of b gives the same values.
            if self.count == 0 || self.count == 1 << (self.parts.len() - 1) {
                self.begin()?;
                self.count = 1;
            } else {
                self.go_on();
                self.count += 1;
            }
            match self.constant() {
                Some(c) => {
                    self.current.c = c;
                    return Some(&self.current);
                }
                // The a is too far from the ideal one for values of 128 bits.
                None => self.count = 0,
            }
        }
    }

    /// c = (b^2 - k n) / a, if it has 128 bits.
    fn constant(&self) -> Option<i128> {
        let (b, multiple) = (IBig::from(self.current.b), IBig::from(self.base.multiple.clone()));
        i128::try_from((&b * &b - multiple) / IBig::from(self.current.a)).ok()
    }

    /// A new a.
    fn begin(&mut self) -> Option<()> {
        self.current.in_a = self.choice.next()?;
        let primes = &self.base.primes;
        let factors = self.current.in_a.iter().map(|&place| primes[place]);
        let a: u128 = factors.clone().map(|prime| u128::from(prime.p)).product();
        self.parts = factors
            .map(|prime| {
                let (others, p) = (a / u128::from(prime.p), u64::from(prime.p));
                let inverse = inverse((others % u128::from(p)) as u32, prime.p);
                let times = u64::from(prime.root) * u64::from(inverse) % p;
                // The smaller of both keeps b small.
                (others * u128::from(times.min(p - times))) as i128
            })
            .collect();
        self.current.a = a;
        self.current.b = self.parts.iter().sum();
        self.moves = vec![vec![0; primes.len()]; self.parts.len()];
        for (place, prime) in primes.iter().enumerate() {
            let residue = prime.residue_wide(a);
            if residue == 0 || prime.p == 2 {
                self.current.zeros[place] = (NONE, NONE);
                continue;
            }
            let (p, inverse) = (u64::from(prime.p), u64::from(inverse(residue, prime.p)));
            let b = u64::from(prime.residue_wide(self.current.b.unsigned_abs()));
            let zero = |root: u64| (((root + p - b) * inverse + u64::from(self.half)) % p) as u32;
            self.current.zeros[place] = (zero(u64::from(prime.root)), zero(p - u64::from(prime.root)));
            for (part, moves) in self.parts.iter().zip(&mut self.moves) {
                moves[place] =
                    (2 * u64::from(prime.residue_wide(part.unsigned_abs())) % p * inverse % p) as u32;
            }
        }
        Some(())
    }

    /// The next b, in the order of Gray's code: one part changes its sign.
    fn go_on(&mut self) {
        let changing = self.count.trailing_zeros() as usize;
        let becomes_negative = (self.count >> (changing + 1)).is_multiple_of(2);
        let change = 2 * self.parts[changing];
        self.current.b += if becomes_negative { -change } else { change };
        let moves = &self.moves[changing];
        for ((zeros, &distance), prime) in self.current.zeros.iter_mut().zip(moves).zip(&self.base.primes) {
            if zeros.0 == NONE {
                continue;
            }
            // Where b falls the zeros rise.
            let rise = if becomes_negative { distance } else { prime.p - distance };
            let moved = |zero: u32| {
                let sum = zero + rise;
                if sum >= prime.p { sum - prime.p } else { sum }
            };
            *zeros = (moved(zeros.0), moved(zeros.1));
        }
    }
}

/// How many primes make an a at the most: for the largest n it takes seven.
const MOST_FACTORS: usize = 10;

/// How many times as large or small as the ideal one an a may be.
const FARTHEST: f64 = 3.0;

/// Chooses the primes of the a.
struct Choice<'a> {
    base: &'a Base,
    /// The a for which the values are smallest.
    ideal: f64,
    /// How many primes make one.
    factors: usize,
    /// The places that are drawn from.
    from: usize,
    to: usize,
    taken: HashSet<Vec<usize>>,
    random: u64,
}

impl<'a> Choice<'a> {
    fn new(base: &'a Base, size: &Size) -> Choice<'a> {
        let ideal = (&base.multiple * UBig::from(2u8)).sqrt() / UBig::from(size.half);
        let ideal = ideal.to_f64().value();
        let count = base.primes.len();
        let middle_of = |factors: usize| {
            let typical = ideal.powf(1.0 / factors as f64);
            base.primes.partition_point(|prime| f64::from(prime.p) < typical)
        };
        // Primes in the middle of the base: small ones divide too many values, which then lose them, large ones make few a.
        let distance = |factors: &usize| middle_of(*factors).abs_diff(2 * count / 5);
        let factors = (2..=MOST_FACTORS).min_by_key(distance).unwrap_or(MOST_FACTORS);
        let middle = middle_of(factors);
        let reach = (count / 4).min(middle / 2).max(factors + 4);
        let (from, to) = (middle.saturating_sub(reach).max(2), (middle + reach).min(count));
        Choice { base, ideal, factors, from, to, taken: HashSet::new(), random: 0x9e37_79b9_7f4a_7c15 }
    }

    fn next(&mut self) -> Option<Vec<usize>> {
        loop {
            let found = (0..1_000).find_map(|_| {
                let places = self.draw()?;
                self.taken.insert(places.clone()).then_some(places)
            });
            if found.is_some() || !self.widen() {
                return found;
            }
        }
    }

    /// Draws from more places; returns whether there are any.
    fn widen(&mut self) -> bool {
        let step = (self.to - self.from).max(1);
        let wider = (self.from.saturating_sub(step).max(2), (self.to + step).min(self.base.primes.len()));
        let is_wider = wider != (self.from, self.to);
        (self.from, self.to) = wider;
        is_wider
    }

    /// All factors but the last at random, and the last such that the product comes as near as it can.
    fn draw(&mut self) -> Option<Vec<usize>> {
        let mut places: Vec<usize> = Vec::with_capacity(self.factors);
        while places.len() + 1 < self.factors {
            let place = self.from + (self.next_random() % (self.to - self.from) as u64) as usize;
            if !places.contains(&place) && self.is_usable(place) {
                places.push(place);
            }
        }
        let product: f64 = places.iter().map(|&place| f64::from(self.base.primes[place].p)).product();
        let wanted = self.ideal / product;
        let nearest = self.base.primes.partition_point(|prime| f64::from(prime.p) < wanted);
        let around = [nearest, nearest.wrapping_sub(1), nearest + 1, nearest.wrapping_sub(2)];
        let last = around.into_iter().find(|&place| {
            (1..self.base.primes.len()).contains(&place) && !places.contains(&place) && self.is_usable(place)
        })?;
        let ratio = f64::from(self.base.primes[last].p) / wanted;
        if !(1.0 / FARTHEST..=FARTHEST).contains(&ratio) {
            return None;
        }
        places.push(last);
        places.sort_unstable();
        Some(places)
    }

    /// Modulo primes of the multiplier there is one root only.
    fn is_usable(&self, place: usize) -> bool {
        self.base.primes[place].root != 0
    }

    /// Xorshift (G. Marsaglia, 2003): the same for every run.
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
    use crate::sieve::MOST_BITS;
    use dashu_int::ops::BitTest;
    use proptest::prelude::*;

    #[test]
    fn a_number_with_few_primes_near_the_ideal_has_polynomials_of_others() {
        let words = [14_682_459_481_436_452_600, 7_924_517_931_380_135_426, 0, 61_783];
        let n = (UBig::from_words(&words) % (UBig::ONE << 66)) | (UBig::ONE << 65) | UBig::ONE;
        let size = Size::of(&n);
        let base = Base::new(&n, size.primes);
        let mut polynomials = Polynomials::new(&base, &size);
        assert!((0..400).all(|_| polynomials.next().is_some()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// Whatever the number, there are many polynomials, near the ideal one, and their coefficients are right.
        #[test]
        fn polynomials_do_not_run_out(words in prop::array::uniform4(any::<u64>()), bits in 66..=MOST_BITS) {
            let n = (UBig::from_words(&words) % (UBig::ONE << bits)) | (UBig::ONE << (bits - 1)) | UBig::ONE;
            let size = Size::of(&n);
            let base = Base::new(&n, size.primes);
            let mut polynomials = Polynomials::new(&base, &size);
            for _ in 0..400 {
                let ideal = polynomials.choice.ideal;
                let Polynomial { a, b, c, zeros, in_a } = polynomials.next().expect("there are more");
                prop_assert!(((*a as f64) / ideal).log2().abs() < 2.0, "{} bits, {a} for {ideal}", n.bit_len());
                let discriminant = IBig::from(*b) * IBig::from(*b) - IBig::from(*a) * IBig::from(*c);
                prop_assert_eq!(&discriminant, &IBig::from(base.multiple.clone()));
                // The largest values, at both ends.
                let half = i128::from(size.half);
                let value = |x: i128| (*a as i128).checked_mul(x)?.checked_add(2 * b)?.checked_mul(x)?.checked_add(*c);
                prop_assert!(value(half).is_some() && value(-half).is_some());
                for (place, prime) in base.primes.iter().enumerate().skip(1).step_by(7) {
                    if in_a.contains(&place) {
                        continue;
                    }
                    for zero in [zeros[place].0, zeros[place].1] {
                        let value = value(i128::from(zero) - half).expect("it fits");
                        prop_assert_eq!(value.rem_euclid(i128::from(prime.p)), 0);
                    }
                }
            }
        }
    }
}
