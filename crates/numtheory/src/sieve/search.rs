//! Sieving: finds values of a polynomial that have only small prime factors.

use dashu_int::ops::BitTest;

use super::{base::FactorBase, parameters::Parameters, polynomial::Polynomial, relations::Relations};

/// Primes below this limit are not used for sieving: they take the most steps and contribute the least.
const MIN_SIEVED: u32 = 20;

/// Tolerance in bits for rounded logarithms and for small primes, which are not used for sieving.
const SLACK: f64 = 5.0;

/// Minimum sum of a candidate. It is a single bit, so that eight bytes of the sieve can be tested at the same
/// time.
const CANDIDATE: u8 = 0x80;

/// Sieve with one byte for each x.
pub(super) struct Search<'a> {
    base: &'a FactorBase,
    half: u32,
    /// Maximum cofactor of a value, the large prime.
    max_cofactor: u128,
    /// Initial value of each byte.
    start: u8,
    /// Index of the first prime that is used for sieving.
    first: usize,
    /// Sums of the logarithms of prime factors.
    sums: Vec<u8>,
}

impl<'a> Search<'a> {
    pub(super) fn new(base: &'a FactorBase, parameters: &Parameters) -> Search<'a> {
        let largest = base.primes.last().map_or(2, |prime| prime.p);
        let max_cofactor = u128::from(largest) * u128::from(parameters.large);
        // Values are about half * sqrt(k n / 2).
        let bits = f64::from(parameters.half).log2() + base.multiple.bit_len() as f64 / 2.0 - 0.5;
        let threshold = bits - (max_cofactor as f64).log2() - SLACK;
        Search {
            base,
            half: parameters.half,
            max_cofactor,
            // A sum exceeds `CANDIDATE` at most by the logarithms of the large prime and the slack, so it
            // stays below 200 and does not overflow.
            start: CANDIDATE - threshold.clamp(1.0, 127.0) as u8,
            first: base.primes.partition_point(|prime| prime.p < MIN_SIEVED),
            sums: vec![0; 2 * parameters.half as usize],
        }
    }

    /// Adds the relations of a polynomial to `relations`.
    pub(super) fn run(&mut self, polynomial: &Polynomial, relations: &mut Relations<'_>) {
        self.sums.fill(self.start);
        self.sieve(polynomial);
        for (index, eight) in self.sums.chunks_exact(8).enumerate() {
            let eight: [u8; 8] = eight.try_into().expect("chunks have eight bytes");
            if u64::from_le_bytes(eight) & u64::from_le_bytes([CANDIDATE; 8]) == 0 {
                continue;
            }
            for position in (0..8).filter(|&position| eight[position] >= CANDIDATE) {
                self.examine(polynomial, (8 * index + position) as u32, relations);
            }
        }
    }

    /// Adds the logarithm of each prime at all x where it divides the value.
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

    /// Divides the value at a position of the sieve by all primes of the base. Adds a relation if the
    /// cofactor is small.
    fn examine(&self, polynomial: &Polynomial, position: u32, relations: &mut Relations<'_>) {
        let x = i128::from(position) - i128::from(self.half);
        let Polynomial { a, b, c, .. } = *polynomial;
        let value = (a as i128 * x + 2 * b) * x + c;
        let mut cofactor = value.unsigned_abs();
        if cofactor == 0 {
            return;
        }
        // Column 0 is the sign. The column of a prime is its index plus one.
        let mut columns: Vec<u32> = polynomial.in_a.iter().map(|&index| index as u32 + 1).collect();
        columns.extend((value < 0).then_some(0));
        columns.extend((0..cofactor.trailing_zeros()).map(|_| 1));
        cofactor >>= cofactor.trailing_zeros();
        let mut divide = |index: usize| {
            let p = u128::from(self.base.primes[index].p);
            while cofactor.is_multiple_of(p) {
                cofactor /= p;
                columns.push(index as u32 + 1);
            }
        };
        polynomial.in_a.iter().for_each(|&index| divide(index));
        for (index, (prime, &(one, other))) in self.base.primes.iter().zip(&polynomial.zeros).enumerate() {
            let residue = prime.residue(position);
            if residue == one || residue == other {
                divide(index);
            }
        }
        if cofactor <= self.max_cofactor {
            let root = a as i128 * x + b;
            relations.add(root.unsigned_abs(), columns, cofactor as u64);
        }
    }
}
