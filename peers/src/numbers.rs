//! Numbers for jobs, the same in each run, for each program of this crate and for each contender.

/// Computes the greatest common divisor by Euclid's algorithm; takes about 50 ns for numbers of 22 bits.
#[must_use]
pub fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Marsaglia's xorshift generator with 64 bits of state; `peers/python/common.py` implements the same.
pub struct Numbers(u64);

impl Numbers {
    /// Creates a generator; `seed` must not be 0.
    #[must_use]
    pub fn seeded(seed: u64) -> Numbers {
        Numbers(seed)
    }

    /// Returns the next number.
    pub fn next_word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Returns the next number in (0, 1].
    pub fn next_fraction(&mut self) -> f64 {
        ((self.next_word() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }
}

/// Returns pairs of numbers of 22 bits.
#[must_use]
pub fn pairs(count: usize) -> Vec<(u64, u64)> {
    let mut numbers = Numbers::seeded(SEED);
    let mut next = || (numbers.next_word() >> 43) | (1 << 21);
    (0..count).map(|_| (next(), next())).collect()
}

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
