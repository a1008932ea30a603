//! Inverses modulo 2^64.

/// 1/n modulo 2^64, for an odd n.
pub(super) const fn inverse(n: u64) -> u64 {
    // Right in five bits; Newton's iteration doubles that.
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
        fn a_number_times_its_inverse_is_one(n: u64) {
            prop_assert_eq!((n | 1).wrapping_mul(inverse(n | 1)), 1);
        }
    }
}
