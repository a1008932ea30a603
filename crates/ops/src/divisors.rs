//! All divisors of a number.

use std::hint::black_box;

use dashu_int::UBig;

use numtheory::{Natural, prime_powers};

use crate::{BuiltinError, size::Size};

/// A number with more divisors than this is not factorized: the list would not fit any reader.
pub const MOST_DIVISORS: usize = 1 << 20;

/// Multiplies the prime factors in all ways; ascending. `size` bounds the list.
pub(crate) fn fast(n: &Natural, size: Size) -> Result<Vec<Natural>, BuiltinError> {
    let powers = prime_powers(n)?;
    let count = powers.iter().try_fold(1usize, |count, (_, power)| count.checked_mul(power + 1));
    let Some(count) = count.filter(|&count| count <= MOST_DIVISORS) else {
        return Err(BuiltinError::TooManyDivisors);
    };
    // Divisors come in pairs whose product is n.
    let pairs = count as u64;
    size.check([pairs.saturating_mul(n.digits()) / 2, pairs])?;
    let mut divisors = vec![Natural::Small(1)];
    for (prime, power) in powers {
        let known = divisors.len();
        // Each round multiplies what the round before it added.
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

/// Tries every number from 1 to n: far too slow for a long list.
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
            assert_eq!(fast(&n.into(), Size(u64::MAX)), trial(n.into()), "{n}");
        }
        assert_eq!(trial(0u64.into()), Err(BuiltinError::Zero));
    }

    #[test]
    fn a_list_without_end_is_refused() {
        let mut n = UBig::ONE;
        for prime in [2u32, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73] {
            n *= prime;
        }
        assert_eq!(fast(&n.into(), Size(u64::MAX)), Err(BuiltinError::TooManyDivisors));
    }

    #[test]
    fn a_list_that_is_too_long_is_refused_before_it_is_made() {
        let refused =
            |n: UBig, bytes| fast(&n.into(), Size(bytes)) == Err(BuiltinError::TooLarge { limit: bytes });
        assert!(refused(UBig::ONE << 40_000, 64 << 20));
        assert!(refused(UBig::from(12u8), 4) && !refused(UBig::from(12u8), 40));
        // 1, 2, 4, ... 2^999: as text some 150 kB.
        assert!(refused(UBig::ONE << 999, 100_000) && !refused(UBig::ONE << 999, 200_000));
    }
}
