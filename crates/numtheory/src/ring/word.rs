//! Montgomery arithmetic modulo an odd 64-bit number.
//!
//! P. L. Montgomery, "Modular multiplication without trial division", 1985: a residue x is represented as x *
//! 2^64 mod n. The reduction subtracts a multiple of n, instead of adding one, to make a product divisible by
//! 2^64. Therefore nothing overflows for any n.

use dashu_int::UBig;

use super::arithmetic::Ring;
use crate::{gcd, inverse::inverse};

/// A modulus of one word with the constants of Montgomery multiplication.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    n: u64,
    /// 1/n modulo 2^64.
    inverse: u64,
    /// 2^64 mod n: the residue of 1.
    one: u64,
    /// 2^128 mod n.
    square: u64,
}

impl Word {
    /// Creates the ring for an odd n above 1.
    pub(crate) fn new(n: u64) -> Word {
        debug_assert!(n % 2 == 1 && n > 1);
        let one = n.wrapping_neg() % n;
        let mut ring = Word { n, inverse: inverse(n), one, square: 0 };
        // Squaring 2 six times yields 2^64.
        let two = ring.add(&one, &one);
        ring.square = (0..6).fold(two, |power, _| ring.mul(&power, &power));
        ring
    }
}

impl Ring for Word {
    type Residue = u64;

    fn modulus(&self) -> UBig {
        self.n.into()
    }

    #[inline]
    fn residue(&self, number: u64) -> u64 {
        match number {
            0 => 0,
            1 => self.one,
            // The reduction is correct for any factor below 2^64, even if it is not below n.
            _ => self.mul(&number, &self.square),
        }
    }

    #[inline]
    fn add(&self, &a: &u64, &b: &u64) -> u64 {
        let room = self.n - b;
        if a >= room { a - room } else { a + b }
    }

    #[inline]
    fn sub(&self, &a: &u64, &b: &u64) -> u64 {
        let (difference, borrow) = a.overflowing_sub(b);
        difference.wrapping_add(if borrow { self.n } else { 0 })
    }

    #[inline]
    fn mul(&self, &a: &u64, &b: &u64) -> u64 {
        let product = u128::from(a) * u128::from(b);
        let factor = (product as u64).wrapping_mul(self.inverse);
        let multiple = ((u128::from(factor) * u128::from(self.n)) >> 64) as u64;
        self.sub(&((product >> 64) as u64), &multiple)
    }

    fn common_divisor(&self, &a: &u64) -> UBig {
        gcd::binary(a, self.n).into()
    }
}
