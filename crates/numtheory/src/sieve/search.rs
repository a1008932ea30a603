//! Looks for values of a polynomial that have small factors only.

use dashu_int::ops::BitTest;

use super::{base::Base, polynomial::Polynomial, relations::Relations, size::Size};

/// Primes below this are not sieved with: they take the most steps and say the least.
const LEAST_SIEVED: u32 = 20;

/// What a value may lack because small primes were left out and logarithms are rounded, in bits.
const SLACK: f64 = 5.0;

/// A byte of the sieve is a candidate from here on: then one look tells for eight of them.
const CANDIDATE: u8 = 0x80;

/// The sieve.
pub(super) struct Search<'a> {
    base: &'a Base,
    half: u32,
    /// The largest prime that may be left of a value.
    most_left: u128,
    /// What each byte starts with.
    start: u8,
    /// The first prime that is sieved with.
    first: usize,
    sums: Vec<u8>,
}

impl<'a> Search<'a> {
    pub(super) fn new(base: &'a Base, size: &Size) -> Search<'a> {
        let largest = base.primes.last().map_or(2, |prime| prime.p);
        let most_left = u128::from(largest) * u128::from(size.large);
        // Values are around half * sqrt(k n / 2).
        let bits = f64::from(size.half).log2() + base.multiple.bit_len() as f64 / 2.0 - 0.5;
        let threshold = bits - (most_left as f64).log2() - SLACK;
        Search {
            base,
            half: size.half,
            most_left,
            // A sum passes the candidates' mark by what a large prime and the slack are worth at most: it stays below 200.
            start: CANDIDATE - threshold.clamp(1.0, 127.0) as u8,
            first: base.primes.partition_point(|prime| prime.p < LEAST_SIEVED),
            sums: vec![0; 2 * size.half as usize],
        }
    }

    /// Gives what it finds to `relations`.
    pub(super) fn run(&mut self, polynomial: &Polynomial, relations: &mut Relations<'_>) {
        self.sums.fill(self.start);
        self.sieve(polynomial);
        for (index, eight) in self.sums.chunks_exact(8).enumerate() {
            let eight: [u8; 8] = eight.try_into().expect("chunks of eight");
            if u64::from_le_bytes(eight) & u64::from_le_bytes([CANDIDATE; 8]) == 0 {
                continue;
            }
            for place in (0..8).filter(|&place| eight[place] >= CANDIDATE) {
                self.examine(polynomial, (8 * index + place) as u32, relations);
            }
        }
    }

    /// Adds the logarithms of the primes where they divide.
    fn sieve(&mut self, polynomial: &Polynomial) {
        let sums = &mut self.sums[..];
        for (prime, &(one, other)) in self.base.primes.iter().zip(&polynomial.zeros).skip(self.first) {
            let (step, log) = (prime.p as usize, prime.log);
            let (mut low, mut high) = (one.min(other) as usize, one.max(other) as usize);
            if prime.root == 0 {
                sums.iter_mut().skip(low).step_by(step).for_each(|sum| *sum += log);
                continue;
            }
            while high < sums.len() {
                sums[low] += log;
                sums[high] += log;
                low += step;
                high += step;
            }
            if low < sums.len() {
                sums[low] += log;
            }
        }
    }

    /// Divides the value at a place by all primes of the base.
    fn examine(&self, polynomial: &Polynomial, place: u32, relations: &mut Relations<'_>) {
        let x = i128::from(place) - i128::from(self.half);
        let Polynomial { a, b, c, .. } = *polynomial;
        let value = (a as i128 * x + 2 * b) * x + c;
        let mut rest = value.unsigned_abs();
        if rest == 0 {
            return;
        }
        // Column 0 is the sign, and each prime's place is one less than its column.
        let mut columns: Vec<u32> = polynomial.in_a.iter().map(|&place| place as u32 + 1).collect();
        columns.extend((value < 0).then_some(0));
        columns.extend((0..rest.trailing_zeros()).map(|_| 1));
        rest >>= rest.trailing_zeros();
        let mut divide = |index: usize| {
            let p = u128::from(self.base.primes[index].p);
            while rest.is_multiple_of(p) {
                rest /= p;
                columns.push(index as u32 + 1);
            }
        };
        polynomial.in_a.iter().for_each(|&index| divide(index));
        for (index, (prime, &(one, other))) in self.base.primes.iter().zip(&polynomial.zeros).enumerate() {
            let residue = prime.residue(place);
            if residue == one || residue == other {
                divide(index);
            }
        }
        if rest <= self.most_left {
            let root = a as i128 * x + b;
            relations.add(root.unsigned_abs(), columns, rest as u64);
        }
    }
}
