//! Number theory for natural numbers of any size: greatest common divisors, primality, prime factors.
//!
//! Internal; unstable; use `runner-tool`.
//!
//! The private module `factor` selects the method for each size of number.

mod ecm;
mod factor;
pub mod gcd;
mod inverse;
mod natural;
mod powers;
mod primality;
mod primes;
mod rho;
mod ring;
mod sieve;
mod smooth;
mod trial;

pub use natural::{Natural, ParseNaturalError};

/// Error for 0, which every number divides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("0 has no factors")]
pub struct ZeroHasNoFactors;

/// Returns the prime factors of a number of at least 1, ascending, with multiplicity.
///
/// ```
/// assert_eq!(numtheory::factor(&12u64.into()), Ok([2u64, 2, 3].map(Into::into).to_vec()));
/// ```
///
/// # Errors
/// For 0.
pub fn factor(n: &Natural) -> Result<Vec<Natural>, ZeroHasNoFactors> {
    let repeat = |(prime, exponent): (Natural, usize)| std::iter::repeat_n(prime, exponent);
    Ok(prime_powers(n)?.into_iter().flat_map(repeat).collect())
}

/// Returns the distinct prime factors with their exponents, ascending by prime.
///
/// ```
/// assert_eq!(numtheory::prime_powers(&12u64.into()), Ok(vec![(2u64.into(), 2), (3u64.into(), 1)]));
/// ```
///
/// # Errors
/// For 0.
pub fn prime_powers(n: &Natural) -> Result<Vec<(Natural, usize)>, ZeroHasNoFactors> {
    let mut found = Vec::new();
    match n {
        Natural::Small(0) => return Err(ZeroHasNoFactors),
        Natural::Small(n) => factor::prime_factors_word(*n, &mut |prime| found.push((prime.into(), 1))),
        // `Natural::Big` can be constructed directly, with a value that belongs into `Small`.
        Natural::Big(n) if n.is_zero() => return Err(ZeroHasNoFactors),
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

/// Appends the prime factors of a number below 2^64 to `found`, ascending, with multiplicity. Appends nothing
/// for 0 and 1.
///
/// ```
/// let mut found = Vec::new();
/// numtheory::factor_word(84, &mut found);
/// assert_eq!(found, [2, 2, 3, 7]);
/// ```
pub fn factor_word(n: u64, found: &mut Vec<u64>) {
    let start = found.len();
    if n > 0 {
        factor::prime_factors_word(n, &mut |prime| found.push(prime));
    }
    found[start..].sort_unstable();
}

#[cfg(test)]
mod tests {
    use super::*;
    use dashu_int::UBig;
    use proptest::prelude::*;

    fn factors(n: u128) -> Vec<Natural> {
        factor(&n.into()).unwrap()
    }

    fn naturals(numbers: &[u128]) -> Vec<Natural> {
        numbers.iter().map(|&number| number.into()).collect()
    }

    #[test]
    fn known_factorizations() {
        assert_eq!(factor(&Natural::Small(0)), Err(ZeroHasNoFactors));
        assert_eq!(factor(&Natural::Big(UBig::ZERO.into())), Err(ZeroHasNoFactors));
        assert_eq!(factor(&Natural::Big(UBig::from(12u8).into())), Ok(naturals(&[2, 2, 3])));
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
