//! Montgomery arithmetic modulo an odd 128-bit number: like [`Word`](super::Word), but with two words.

use dashu_int::UBig;

use super::arithmetic::Ring;
use crate::{gcd, inverse::inverse};

/// A modulus of two words with the constants of Montgomery multiplication.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Double {
    n: u128,
    /// 1/n modulo 2^128.
    inverse: u128,
    /// 2^128 mod n: the residue of 1.
    one: u128,
    /// 2^256 mod n.
    square: u128,
}

impl Double {
    /// Creates the ring for an odd n above 1.
    pub(crate) fn new(n: u128) -> Double {
        debug_assert!(n % 2 == 1 && n > 1);
        let half = u128::from(inverse(n as u64));
        // One more round of Newton's iteration for 128 bits.
        let inverse = half.wrapping_mul(2u128.wrapping_sub(n.wrapping_mul(half)));
        let one = n.wrapping_neg() % n;
        let mut ring = Double { n, inverse, one, square: 0 };
        // Squaring 2 seven times yields 2^128.
        let two = ring.add(&one, &one);
        ring.square = (0..7).fold(two, |power, _| ring.mul(&power, &power));
        ring
    }

    /// Montgomery reduction of a product: subtracts the multiple of n that makes the lower half 0, and
    /// returns the upper half.
    #[inline]
    fn reduce(&self, high: u128, low: u128) -> u128 {
        let factor = low.wrapping_mul(self.inverse);
        self.sub(&high, &high_half(factor, self.n))
    }
}

impl Ring for Double {
    type Residue = u128;

    fn modulus(&self) -> UBig {
        self.n.into()
    }

    fn residue(&self, number: u64) -> u128 {
        match number {
            0 => 0,
            1 => self.one,
            _ => self.mul(&number.into(), &self.square),
        }
    }

    #[inline]
    fn add(&self, &a: &u128, &b: &u128) -> u128 {
        let room = self.n - b;
        let (difference, borrow) = a.overflowing_sub(room);
        difference.wrapping_add(if borrow { self.n } else { 0 })
    }

    #[inline]
    fn sub(&self, &a: &u128, &b: &u128) -> u128 {
        let (difference, borrow) = a.overflowing_sub(b);
        difference.wrapping_add(if borrow { self.n } else { 0 })
    }

    #[inline]
    fn mul(&self, &a: &u128, &b: &u128) -> u128 {
        let (high, low) = full_product(a, b);
        self.reduce(high, low)
    }

    #[inline]
    fn square(&self, &a: &u128) -> u128 {
        let (high, low) = full_square(a);
        self.reduce(high, low)
    }

    fn common_divisor(&self, &a: &u128) -> UBig {
        gcd::binary_wide(a, self.n).into()
    }
}

#[inline]
fn halves(x: u128) -> (u64, u64) {
    ((x >> 64) as u64, x as u64)
}

#[inline]
fn wide(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

/// Returns the upper and the lower half of a product.
#[inline]
fn full_product(a: u128, b: u128) -> (u128, u128) {
    let ((a1, a0), (b1, b0)) = (halves(a), halves(b));
    let (low, high) = (wide(a0, b0), wide(a1, b1));
    combine(high, wide(a0, b1), wide(a1, b0), low)
}

#[inline]
fn full_square(a: u128) -> (u128, u128) {
    let (a1, a0) = halves(a);
    let cross = wide(a0, a1);
    combine(wide(a1, a1), cross, cross, wide(a0, a0))
}

/// Returns high * 2^128 + (one + other) * 2^64 + low.
#[inline]
fn combine(high: u128, one: u128, other: u128, low: u128) -> (u128, u128) {
    // Neither sum overflows: the largest is the sum of three words.
    let middle = (low >> 64) + (one & u128::from(u64::MAX)) + (other & u128::from(u64::MAX));
    let upper = high + (one >> 64) + (other >> 64) + (middle >> 64);
    (upper, (middle << 64) | (low & u128::from(u64::MAX)))
}

#[inline]
fn high_half(a: u128, b: u128) -> u128 {
    full_product(a, b).0
}
