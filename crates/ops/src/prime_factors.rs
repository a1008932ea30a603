//! The `prime_factors` job: prime factors with multiplicity.
//!
//! Numbers of up to 64 bits take microseconds, of up to 128 bits milliseconds, of up to 200 bits seconds.
//! Beyond that the time grows with the second largest prime factor, so such jobs should have a time limit.

use numtheory::{Natural, prime_powers};

use crate::{error::BuiltinError, result_limit::ResultLimit};

/// Returns the prime factors, ascending, with multiplicity.
pub(crate) fn prime_factors(n: &Natural, limit: ResultLimit) -> Result<Vec<Natural>, BuiltinError> {
    let powers = prime_powers(n)?;
    limit.check(
        powers.iter().map(|(prime, exponent)| (prime.digits() + 1).saturating_mul(*exponent as u64)),
    )?;
    let repeat = |(prime, exponent): (Natural, usize)| std::iter::repeat_n(prime, exponent);
    Ok(powers.into_iter().flat_map(repeat).collect())
}
