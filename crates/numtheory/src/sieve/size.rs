//! How the sieve is cut for a number.

use dashu_int::{UBig, ops::BitTest};

/// Numbers with more bits are not for this sieve: the values of its polynomials would not fit 128 bits.
pub(crate) const MOST_BITS: usize = 200;

/// The measures of a sieve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// How many primes remainders may have.
    pub(super) primes: usize,
    /// x goes from -half to half.
    pub(super) half: u32,
    /// One more prime may be so many times as large as the largest of the base.
    pub(super) large: u64,
}

/// Bits of the number, primes, half of the interval, times the largest prime. Found by measuring products of two primes of
/// equal size; between the lines it goes in proportion.
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

impl Size {
    pub(super) fn of(n: &UBig) -> Size {
        let bits = n.bit_len().clamp(TABLE[0].0, MOST_BITS);
        let above = TABLE.iter().position(|line| line.0 >= bits).unwrap_or(TABLE.len() - 1).max(1);
        let (low, high) = (TABLE[above - 1], TABLE[above]);
        let between = |start: usize, end: usize| start + (end - start) * (bits - low.0) / (high.0 - low.0);
        Size { primes: between(low.1, high.1), half: high.2, large: high.3 }
    }
}
