//! The `gcd` job: greatest common divisors.

use std::hint::black_box;

use dashu_int::{UBig, ops::Gcd};

use crate::Natural;

/// Returns the gcd of two numbers; `gcd(0, 0)` is 0.
///
/// Up to 128 bits by the binary algorithm (J. Stein, "Computational problems associated with Racah algebra",
/// 1967), above by the big-integer crate.
pub fn fast(a: Natural, b: Natural) -> Natural {
    let (a, b) = match (a, b) {
        (Natural::Small(a), Natural::Small(b)) => return Natural::Small(binary(a, b)),
        (a, b) if a.is_zero() => return b,
        (a, b) if b.is_zero() => return a,
        (a, b) => (a.into_big(), b.into_big()),
    };
    match (u128::try_from(&a), u128::try_from(&b)) {
        (Ok(a), Ok(b)) => binary_wide(a, b).into(),
        _ => a.gcd(&b).into(),
    }
}

/// Returns the greatest common divisor of all values by [`fast`]; 0 if all are 0 or there are none.
///
/// ```
/// assert_eq!(numtheory::gcd::of_all([12u64, 18, 30].map(Into::into)), 6u64.into());
/// ```
#[must_use]
pub fn of_all(values: impl IntoIterator<Item = Natural>) -> Natural {
    of(values, fast)
}

/// Returns the gcd of all values, computed by the gcd of two values; 0 if there are none.
pub fn of(
    values: impl IntoIterator<Item = Natural>,
    of_two: impl Fn(Natural, Natural) -> Natural,
) -> Natural {
    let one = Natural::Small(1);
    let mut values = values.into_iter();
    let first = values.next().unwrap_or(Natural::Small(0));
    let divisor = values.try_fold(first, |divisor, value| match of_two(divisor, value) {
        // The result is 1 for any remaining values.
        divisor if divisor == one => None,
        divisor => Some(divisor),
    });
    divisor.unwrap_or(one)
}

/// Binary gcd for one word.
pub(crate) fn binary(mut a: u64, mut b: u64) -> u64 {
    if a == 0 || b == 0 {
        return a | b;
    }
    let shift = (a | b).trailing_zeros();
    a >>= a.trailing_zeros();
    loop {
        b >>= b.trailing_zeros();
        (a, b) = (a.min(b), a.abs_diff(b));
        if b == 0 {
            return a << shift;
        }
    }
}

/// Binary gcd for two words; see [`binary`].
pub(crate) fn binary_wide(mut a: u128, mut b: u128) -> u128 {
    if a == 0 || b == 0 {
        return a | b;
    }
    let shift = (a | b).trailing_zeros();
    a >>= a.trailing_zeros();
    loop {
        b >>= b.trailing_zeros();
        (a, b) = (a.min(b), a.abs_diff(b));
        if b == 0 {
            return a << shift;
        }
        // a is odd, so the common power of 2 is already in `shift`. Both numbers shrink to one word after
        // some rounds.
        if let (Ok(a), Ok(b)) = (u64::try_from(a), u64::try_from(b)) {
            return u128::from(binary(a, b)) << shift;
        }
    }
}

/// Returns the gcd by counting down from the smaller number to the first number that divides both.
pub fn trial(a: Natural, b: Natural) -> Natural {
    match (a, b) {
        (Natural::Small(a), Natural::Small(b)) => Natural::Small(trial_small(a, b)),
        (a, b) if a.is_zero() => b,
        (a, b) if b.is_zero() => a,
        (a, b) => trial_big(&a.into_big(), &b.into_big()).into(),
    }
}

fn trial_small(a: u64, b: u64) -> u64 {
    let smaller = a.min(b);
    if smaller == 0 {
        return a.max(b);
    }
    let mut candidate = smaller;
    while !(black_box(a).is_multiple_of(candidate) && black_box(b).is_multiple_of(candidate)) {
        candidate -= 1;
    }
    candidate
}

fn trial_big(a: &UBig, b: &UBig) -> UBig {
    let mut candidate = a.min(b).clone();
    while a % &candidate != UBig::ZERO || b % &candidate != UBig::ZERO {
        candidate -= UBig::ONE;
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn euclid(a: u128, b: u128) -> u128 {
        if b == 0 { a } else { euclid(b, a % b) }
    }

    #[test]
    fn gcd_with_zero_is_the_other_number() {
        for method in [fast, trial] {
            assert_eq!(method(0u64.into(), 0u64.into()), Natural::Small(0));
            assert_eq!(method(0u64.into(), 6u64.into()), Natural::Small(6));
            assert_eq!(method((1u128 << 70).into(), 0u64.into()), Natural::from(1u128 << 70));
            assert_eq!(method(0u64.into(), (1u128 << 70).into()), Natural::from(1u128 << 70));
        }
    }

    #[test]
    fn trial_handles_both_sizes() {
        assert_eq!(trial(84u64.into(), 36u64.into()), Natural::Small(12));
        let big = Natural::from(u128::from(u64::MAX) + 1);
        assert_eq!(trial(big.clone(), big.clone()), big);
    }

    #[test]
    fn gcd_of_several_numbers() {
        let naturals =
            |numbers: &[u128]| numbers.iter().map(|&number| number.into()).collect::<Vec<Natural>>();
        for method in [fast, trial] {
            for (values, divisor) in
                [(&[][..], 0u128), (&[0, 0, 0], 0), (&[7], 7), (&[0, 12, 0, 18], 6), (&[6, 10, 15], 1)]
            {
                assert_eq!(of(naturals(values), method), divisor.into(), "{values:?}");
            }
        }
        assert_eq!(of(naturals(&[3 << 100, 5 << 90, 7 << 70]), fast), (1u128 << 70).into());
    }

    proptest! {
        #[test]
        fn agrees_with_euclid_for_all_sizes(a: u128, b: u128, shift in 0u32..128) {
            let (a, b) = (a >> shift, b >> (shift / 2));
            prop_assert_eq!(fast(a.into(), b.into()), Natural::from(euclid(a, b)));
        }
    }
}
