//! Arithmetic modulo an odd 64-bit number without divisions.
//!
//! P. L. Montgomery, "Modular multiplication without trial division", 1985: a residue x is kept as x * 2^64 mod n.
//! What is taken off a product to make it divisible by 2^64 is subtracted, not added: so nothing overflows, whatever
//! the size of n.

use dashu_int::UBig;

use super::Ring;
use crate::{gcd, inverse::inverse};

/// The modulus, and what multiplying needs of it.
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
    /// For an odd n above 1.
    pub(crate) fn new(n: u64) -> Word {
        debug_assert!(n % 2 == 1 && n > 1);
        let one = n.wrapping_neg() % n;
        let mut ring = Word { n, inverse: inverse(n), one, square: 0 };
        // 2, squared six times, is 2^64.
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
            // The reduction takes any factor below 2^64.
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
