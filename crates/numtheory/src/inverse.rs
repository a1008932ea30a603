//! Inverses modulo 2^64.

/// Returns 1/n modulo 2^64, for an odd n.
pub(super) const fn inverse(n: u64) -> u64 {
    // Correct to five bits. Each round of Newton's iteration doubles the number of correct bits.
    let mut inverse = n.wrapping_mul(3) ^ 2;
    let mut round = 0;
    while round < 4 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(n.wrapping_mul(inverse)));
        round += 1;
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn product_with_inverse_is_one(n: u64) {
            prop_assert_eq!((n | 1).wrapping_mul(inverse(n | 1)), 1);
        }
    }
}
