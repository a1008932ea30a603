//! Modular arithmetic for odd moduli, with an implementation for each size.
//!
//! | modulus | ring |
//! |---|---|
//! | below 2^64, if the caller selects it | [`Word`] |
//! | below 2^128 | [`Double`] |
//! | below 2^1024 | [`Limbs`] |
//! | larger | [`Any`] |
//!
//! All implement [`Ring`]. [`Lanes`] computes with several residues of a ring at the same time.

mod any;
mod arithmetic;
mod double;
mod lanes;
mod limbs;
mod word;

use dashu_int::{UBig, ops::BitTest};

use any::Any;
pub(crate) use arithmetic::Ring;
use double::Double;
pub(crate) use lanes::Lanes;
use limbs::Limbs;
pub(crate) use word::Word;

/// A computation that is generic over the ring.
pub(crate) trait Task {
    type Output;

    fn run<R: Ring>(self, ring: &R) -> Self::Output;
}

/// Runs a task in the fastest ring for the size of n, an odd number above 1.
pub(crate) fn in_ring_of<T: Task>(n: &UBig, task: T) -> T::Output {
    match n.bit_len().div_ceil(64) {
        1 | 2 => task.run(&Double::new(u128::try_from(n).expect("n has at most two words"))),
        3 => task.run(&Limbs::<3>::new(n)),
        4 => task.run(&Limbs::<4>::new(n)),
        5 | 6 => task.run(&Limbs::<6>::new(n)),
        7 | 8 => task.run(&Limbs::<8>::new(n)),
        9..=16 => task.run(&Limbs::<16>::new(n)),
        _ => task.run(&Any::new(n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dashu_int::ops::Gcd;
    use proptest::prelude::*;

    fn assert_agrees<R: Ring>(ring: &R, a: u64, b: u64) {
        let n = ring.modulus();
        // Powers, so that the operands use all limbs.
        let (wide_a, wide_b) = (UBig::from(a).pow(17) % &n, UBig::from(b).pow(19) % &n);
        let (x, y) = (ring.residue_of(&wide_a), ring.residue_of(&wide_b));
        assert!(ring.residue(a) == ring.residue_of(&(UBig::from(a) % &n)));
        assert!(ring.add(&x, &y) == ring.residue_of(&((&wide_a + &wide_b) % &n)));
        assert!(ring.sub(&x, &y) == ring.residue_of(&((&wide_a + &n - &wide_b) % &n)));
        assert!(ring.mul(&x, &y) == ring.residue_of(&((&wide_a * &wide_b) % &n)));
        assert!(ring.square(&x) == ring.residue_of(&((&wide_a * &wide_a) % &n)));
        assert!(ring.pow(&ring.residue(a), &UBig::from(17u8)) == x);
        if R::LANES == 1 {
            assert_eq!(ring.common_divisor(&x), wide_a.gcd(&n));
        }
        assert!(ring.sub(&x, &x) == ring.residue(0));
    }

    fn odd(limbs: &[u64]) -> UBig {
        UBig::from_words(limbs) | UBig::from(3u8)
    }

    proptest! {
        #[test]
        fn words(n: u64, a: u64, b: u64) {
            assert_agrees(&Word::new(n | 3), a, b);
            assert_agrees(&Lanes::<_, 3>(Word::new(n | 3)), a, b);
        }

        #[test]
        fn two_words(n: u128, shift in 0u32..120, a: u64, b: u64) {
            let n = n >> shift | 3;
            assert_agrees(&Double::new(n), a, b);
            assert_agrees(&Lanes::<_, 2>(Double::new(n)), a, b);
        }

        #[test]
        fn more_words(limbs in prop::collection::vec(any::<u64>(), 1..=4), a: u64, b: u64) {
            let n = odd(&limbs);
            assert_agrees(&Limbs::<4>::new(&n), a, b);
            assert_agrees(&Any::new(&n), a, b);
        }
    }

    #[test]
    fn smallest_and_largest_moduli() {
        for (a, b) in [(0, 1), (1, 1), (2, u64::MAX), (u64::MAX, u64::MAX - 1)] {
            for n in [3, 5, (1 << 63) - 1, (1 << 63) + 1, u64::MAX - 2, u64::MAX] {
                assert_agrees(&Word::new(n), a, b);
            }
            for n in [3, (1 << 64) + 1, (1 << 127) - 1, (1 << 127) + 1, u128::MAX - 2, u128::MAX] {
                assert_agrees(&Double::new(n), a, b);
                assert_agrees(&Limbs::<3>::new(&n.into()), a, b);
            }
            assert_agrees(&Limbs::<3>::new(&((UBig::ONE << 192) - UBig::ONE)), a, b);
        }
    }
}
