//! Prime factors with multiplicity.
//!
//! Small primes are divided out first; what is left is split by Pollard's rho until all parts are prime. Numbers
//! of up to 64 bits take at most milliseconds; beyond that the time grows with the square root of the second
//! largest factor, so a job with a large one wants a time limit.

use dashu_int::UBig;

use crate::{
    BuiltinError, Natural,
    arith::{big, word},
};

pub(crate) fn prime_factors(n: &Natural) -> Result<Vec<Natural>, BuiltinError> {
    if n.is_zero() {
        return Err(BuiltinError::Zero);
    }
    let (mut found, rest) = match n {
        Natural::Small(n) => (Vec::new(), UBig::from(*n)),
        Natural::Big(n) => divide_out(n.clone()),
    };
    let mut open = vec![rest];
    while let Some(number) = open.pop() {
        if let Ok(number) = u64::try_from(&number) {
            found.extend(word::prime_factors(number));
        } else if big::is_prime(&number) {
            found.push(Natural::from(number));
        } else {
            let factor = big::find_factor(&number);
            open.push(number / &factor);
            open.push(factor);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Small primes of a large number, and what is left of it.
fn divide_out(mut n: UBig) -> (Vec<Natural>, UBig) {
    let mut found = Vec::new();
    for prime in word::small_primes() {
        while &n % prime == 0 {
            n /= prime;
            found.push(Natural::Small(prime));
        }
    }
    (found, n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn factors(n: u128) -> Vec<Natural> {
        prime_factors(&n.into()).unwrap()
    }

    fn naturals(numbers: &[u128]) -> Vec<Natural> {
        numbers.iter().map(|&number| number.into()).collect()
    }

    #[test]
    fn known_factorizations() {
        assert_eq!(prime_factors(&Natural::Small(0)), Err(BuiltinError::Zero));
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
                prop_assert!(found.iter().all(|f| big::is_prime(&f.clone().into_big())));
            }
        }
    }
}
