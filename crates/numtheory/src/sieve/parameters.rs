//! Parameters of the sieve.

use dashu_int::{UBig, ops::BitTest};

/// Maximum number of bits of numbers for this sieve. For larger numbers the values of the polynomials exceed
/// 128 bits.
pub(crate) const MAX_BITS: usize = 200;

/// Parameters of a sieve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameters {
    /// Number of primes in the factor base.
    pub(super) primes: usize,
    /// Half of the interval: x ranges from -half to half.
    pub(super) half: u32,
    /// Maximum of the additional large prime of a partial relation, as a multiple of the largest prime of the
    /// base.
    pub(super) large: u64,
}

/// Bits of the number, primes, half of the interval, and large prime multiple. Determined by measurements
/// with products of two primes of equal size. The number of primes is interpolated between two entries.
const TABLE: [(usize, usize, u32, u64); 8] = [
    (72, 60, 1 << 11, 60),
    (88, 105, 1 << 12, 80),
    (96, 140, 1 << 12, 80),
    (112, 290, 1 << 13, 80),
    (128, 560, 1 << 14, 80),
    (144, 850, 1 << 14, 80),
    (160, 1_500, 1 << 15, 80),
    (200, 5_500, 1 << 16, 120),
];

impl Parameters {
    pub(super) fn of(n: &UBig) -> Parameters {
        let bits = n.bit_len().clamp(TABLE[0].0, MAX_BITS);
        let above = TABLE.iter().position(|entry| entry.0 >= bits).unwrap_or(TABLE.len() - 1).max(1);
        let (low, high) = (TABLE[above - 1], TABLE[above]);
        let between = |start: usize, end: usize| start + (end - start) * (bits - low.0) / (high.0 - low.0);
        Parameters { primes: between(low.1, high.1), half: high.2, large: high.3 }
    }
}
