//! Prime factors with multiplicity.
//!
//! Numbers of up to 64 bits take microseconds, of up to 128 bits milliseconds, of up to 200 bits seconds. Beyond that the time
//! grows with the second largest factor: a job that may have a large one wants a time limit.

use crate::{BuiltinError, Natural, arith::factor, size::Size};

/// Ascending; `size` bounds the list.
pub(crate) fn prime_factors(n: &Natural, size: Size) -> Result<Vec<Natural>, BuiltinError> {
    let powers = prime_powers(n)?;
    size.check(powers.iter().map(|(prime, exponent)| (prime.digits() + 1).saturating_mul(*exponent as u64)))?;
    let repeat = |(prime, exponent): (Natural, usize)| std::iter::repeat_n(prime, exponent);
    Ok(powers.into_iter().flat_map(repeat).collect())
}

/// The distinct prime factors, ascending, with their exponents.
pub(crate) fn prime_powers(n: &Natural) -> Result<Vec<(Natural, usize)>, BuiltinError> {
    let mut found = Vec::new();
    match n {
        Natural::Small(0) => return Err(BuiltinError::Zero),
        Natural::Small(n) => factor::prime_factors_word(*n, &mut |prime| found.push((prime.into(), 1))),
        // It may have been made with a form that its value does not have.
        Natural::Big(n) if n.is_zero() => return Err(BuiltinError::Zero),
        Natural::Big(n) => {
            factor::prime_factors_wide((**n).clone(), &mut |prime, exponent| {
                found.push((prime.into(), exponent));
            });
        }
    }
    found.sort_unstable();
    found.dedup_by(|(later, more), (earlier, exponent)| {
        let is_same = later == earlier;
        *exponent += if is_same { *more } else { 0 };
        is_same
    });
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dashu_int::UBig;
    use proptest::prelude::*;

    fn factors(n: u128) -> Vec<Natural> {
        prime_factors(&n.into(), Size::ANY).unwrap()
    }

    fn naturals(numbers: &[u128]) -> Vec<Natural> {
        numbers.iter().map(|&number| number.into()).collect()
    }

    #[test]
    fn known_factorizations() {
        assert_eq!(prime_factors(&Natural::Small(0), Size::ANY), Err(BuiltinError::Zero));
        assert_eq!(prime_factors(&Natural::Big(UBig::ZERO.into()), Size::ANY), Err(BuiltinError::Zero));
        assert_eq!(
            prime_factors(&Natural::Big(UBig::from(12u8).into()), Size::ANY),
            Ok(naturals(&[2, 2, 3]))
        );
        assert_eq!(factors(1), []);
        assert_eq!(factors(2 * 2 * 3), naturals(&[2, 2, 3]));
        assert_eq!(factors((1 << 61) - 1), naturals(&[(1 << 61) - 1]));
        assert_eq!(factors(u128::from(u64::MAX)), naturals(&[3, 5, 17, 257, 641, 65537, 6_700_417]));
        assert_eq!(factors((1 << 64) + 1), naturals(&[274_177, 67_280_421_310_721]));
        assert_eq!(factors((1 << 127) - 1), naturals(&[(1 << 127) - 1]));
        assert_eq!(factors(4_294_967_291 * 4_294_967_291), naturals(&[4_294_967_291; 2]));
        assert_eq!(factors(1_099_511_627_791 * 1_099_511_627_791), naturals(&[1_099_511_627_791; 2]));
        assert_eq!(factors(1 << 100), naturals(&[2; 100]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn factors_are_prime_and_multiply_to_the_number(n in 1u64.., above in 1u128..1 << 72) {
            for n in [u128::from(n), above] {
                let found = factors(n);
                let product = found.iter().fold(UBig::ONE, |product, f| product * f.clone().into_big());
                prop_assert_eq!(product, UBig::from(n));
            }
        }
    }
}
