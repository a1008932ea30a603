//! Arithmetic modulo an odd 64-bit number without divisions.
//!
//! P. L. Montgomery, "Modular multiplication without trial division", 1985. A residue x is kept as x * 2^64 mod n.

/// The modulus, and what multiplying needs of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Modulus {
    n: u64,
    /// -1/n modulo 2^64.
    negated_inverse: u64,
    /// 2^128 mod n.
    square: u64,
}

impl Modulus {
    /// For an odd n above 1.
    pub(crate) fn new(n: u64) -> Modulus {
        debug_assert!(n % 2 == 1 && n > 1);
        // Newton's iteration doubles the number of right bits; n itself has three.
        let mut inverse = n;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(n.wrapping_mul(inverse)));
        }
        let radix = ((1u128 << 64) % u128::from(n)) as u64;
        let square = (u128::from(radix) * u128::from(radix) % u128::from(n)) as u64;
        Modulus { n, negated_inverse: inverse.wrapping_neg(), square }
    }

    pub(crate) fn n(&self) -> u64 {
        self.n
    }

    /// The residue of a number below n.
    pub(crate) fn residue(&self, x: u64) -> u64 {
        self.mul(x, self.square)
    }

    pub(crate) fn mul(&self, a: u64, b: u64) -> u64 {
        let product = u128::from(a) * u128::from(b);
        let factor = (product as u64).wrapping_mul(self.negated_inverse);
        // The low halves add up to 0 or to 2^64.
        let carry = u64::from(product as u64 != 0);
        let high = (u128::from(factor) * u128::from(self.n)) >> 64;
        let sum = (product >> 64) + high + u128::from(carry);
        let n = u128::from(self.n);
        (if sum >= n { sum - n } else { sum }) as u64
    }

    pub(crate) fn add(&self, a: u64, b: u64) -> u64 {
        let (sum, overflow) = a.overflowing_add(b);
        if overflow || sum >= self.n { sum.wrapping_sub(self.n) } else { sum }
    }

    pub(crate) fn pow(&self, mut base: u64, mut exponent: u64) -> u64 {
        let mut result = self.residue(1);
        while exponent > 0 {
            if exponent % 2 == 1 {
                result = self.mul(result, base);
            }
            base = self.mul(base, base);
            exponent /= 2;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn multiplies_as_division_would(n in 1u64.., a: u64, b: u64) {
            let n = (n | 1).max(3);
            let modulus = Modulus::new(n);
            let (a, b) = (a % n, b % n);
            let product = modulus.mul(modulus.residue(a), modulus.residue(b));
            let expected = (u128::from(a) * u128::from(b) % u128::from(n)) as u64;
            prop_assert_eq!(product, modulus.residue(expected));
            prop_assert_eq!(modulus.mul(product, 1), expected);
        }
    }
}
