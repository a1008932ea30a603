//! The `factorize` job: all divisors of a number.

use std::hint::black_box;

use dashu_int::UBig;

use numtheory::{Natural, prime_powers};

use crate::{error::BuiltinError, limits::MAX_DIVISORS, result_limit::ResultLimit};

/// Returns all divisors, ascending, computed from the prime factors.
pub(crate) fn fast(n: &Natural, limit: ResultLimit) -> Result<Vec<Natural>, BuiltinError> {
    let powers = prime_powers(n)?;
    let count = powers.iter().try_fold(1usize, |count, (_, power)| count.checked_mul(power + 1));
    let Some(count) = count.filter(|&count| count <= MAX_DIVISORS) else {
        return Err(BuiltinError::TooManyDivisors);
    };
    // The product of each divisor and its cofactor is n, so a divisor has half of the digits of n on average.
    // The second part counts the separators.
    let count = count as u64;
    limit.check([count.saturating_mul(n.digits()) / 2, count])?;
    let mut divisors = vec![Natural::Small(1)];
    for (prime, power) in powers {
        let known = divisors.len();
        // Each round multiplies the divisors that the previous round added.
        for index in 0..known * power {
            divisors.push(product(&divisors[index], &prime));
        }
    }
    divisors.sort_unstable();
    Ok(divisors)
}

fn product(a: &Natural, b: &Natural) -> Natural {
    match (a, b) {
        (Natural::Small(a), Natural::Small(b)) => (u128::from(*a) * u128::from(*b)).into(),
        (a, b) => (a.clone().into_big() * b.clone().into_big()).into(),
    }
}

/// Returns all divisors, ascending, by trying every number from 1 to n. Far too slow to create a long list.
pub(crate) fn trial(n: Natural) -> Result<Vec<Natural>, BuiltinError> {
    match n {
        Natural::Small(0) => Err(BuiltinError::Zero),
        Natural::Small(n) => Ok((1..=n).filter(|d| black_box(n) % d == 0).map(Natural::Small).collect()),
        Natural::Big(n) => {
            let (n, mut found, mut candidate) = (*n, Vec::new(), UBig::ONE);
            while candidate <= n {
                if &n % &candidate == UBig::ZERO {
                    found.push(candidate.clone().into());
                }
                candidate += UBig::ONE;
            }
            Ok(found)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_methods_agree() {
        for n in (1u64..200).chain([4096, 30_030, 99_991]) {
            assert_eq!(fast(&n.into(), ResultLimit(u64::MAX)), trial(n.into()), "{n}");
        }
        assert_eq!(trial(0u64.into()), Err(BuiltinError::Zero));
    }

    #[test]
    fn rejects_numbers_with_too_many_divisors() {
        let mut n = UBig::ONE;
        for prime in [2u32, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73] {
            n *= prime;
        }
        assert_eq!(fast(&n.into(), ResultLimit(u64::MAX)), Err(BuiltinError::TooManyDivisors));
    }

    #[test]
    fn rejects_long_lists_before_creating_them() {
        let is_rejected =
            |n: UBig, limit| fast(&n.into(), ResultLimit(limit)) == Err(BuiltinError::TooLarge { limit });
        assert!(is_rejected(UBig::ONE << 40_000, 64 << 20));
        assert!(is_rejected(UBig::from(12u8), 4) && !is_rejected(UBig::from(12u8), 40));
        // 1, 2, 4, ... 2^999: about 150 kB of text.
        assert!(is_rejected(UBig::ONE << 999, 100_000) && !is_rejected(UBig::ONE << 999, 200_000));
    }
}
