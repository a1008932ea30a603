//! The `sum` job: 1 + 2 + ... + n.

use std::hint::black_box;

use dashu_int::UBig;

use numtheory::Natural;

/// Returns n (n + 1) / 2.
pub(crate) fn fast(n: Natural) -> Natural {
    match n {
        Natural::Small(n) => {
            let n = u128::from(n);
            (n * (n + 1) / 2).into()
        }
        Natural::Big(n) => (&*n * (&*n + UBig::ONE) / UBig::from(2u8)).into(),
    }
}

/// Adds the numbers one by one.
pub(crate) fn trial(n: Natural) -> Natural {
    match n {
        Natural::Small(n) => {
            let mut total = 0u128;
            for next in 1..=n {
                total = black_box(total + u128::from(next));
            }
            total.into()
        }
        Natural::Big(n) => {
            let (mut total, mut next) = (UBig::ZERO, UBig::ONE);
            while next <= *n {
                total += &next;
                next += UBig::ONE;
            }
            total.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_methods_agree() {
        for n in [0u64, 1, 2, 10, 1000] {
            assert_eq!(fast(n.into()), trial(n.into()));
        }
        assert_eq!(fast(u64::MAX.into()), Natural::from((u128::from(u64::MAX) << 64) / 2));
        assert_eq!(fast((1u128 << 64).into()).to_string(), "170141183460469231740910675752738881536");
    }
}
