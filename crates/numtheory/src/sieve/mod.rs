//! Self-initializing quadratic sieve, for numbers of up to 200 bits whose factors are all large.
//!
//! C. Pomerance, "The quadratic sieve factoring algorithm", 1985; R. D. Silverman, "The multiple polynomial
//! quadratic sieve", 1987; S. P. Contini, "Factoring integers with the self-initializing quadratic sieve",
//! 1997. The sieve searches squares (a x + b)^2 whose remainder modulo n has only small prime factors. A
//! sufficient number of these relations can be combined so that both sides are squares, x^2 = y^2 modulo n.
//! Then x + y has a proper common factor with n with a probability of one half.

mod base;
mod matrix;
mod parameters;
mod polynomial;
mod relations;
mod search;

use dashu_int::{UBig, ops::Gcd};

use base::FactorBase;
use matrix::dependencies;
pub(crate) use parameters::MAX_BITS;
use parameters::Parameters;
use polynomial::Polynomials;
use relations::Relations;
use search::Search;

/// Number of relations in excess of the number of primes. Each yields a factor with a probability of one
/// half.
const SURPLUS: usize = 12;

/// Returns a proper factor of an odd composite of at most [`MAX_BITS`] bits that is not a perfect power and
/// has no small factors. Returns `None` if the sieve fails.
pub(crate) fn find_factor(n: &UBig) -> Option<UBig> {
    let parameters = Parameters::of(n);
    let base = FactorBase::new(n, parameters.primes);
    if let Some(factor) = base.divisor_of(n) {
        return Some(factor);
    }
    let mut relations = Relations::new(n);
    let mut search = Search::new(&base, &parameters);
    let mut polynomials = Polynomials::new(&base, &parameters);
    let mut required = base.primes.len() + SURPLUS;
    // If no dependency yields a factor, find more relations and try again.
    for _ in 0..8 {
        while relations.len() < required {
            search.run(polynomials.next()?, &mut relations);
        }
        let factor = factor_from(n, &base, &relations);
        if factor.is_some() {
            return factor;
        }
        required = relations.len() + SURPLUS;
    }
    None
}

/// Returns a factor of n that the relations yield, if any.
fn factor_from(n: &UBig, base: &FactorBase, relations: &Relations<'_>) -> Option<UBig> {
    let rows = relations.iter().map(|relation| relation.odd_columns());
    dependencies(rows, base.primes.len() + 1).into_iter().find_map(|dependency| {
        let (x, y) = relations.roots(&dependency, base);
        let divisor = (x + y).gcd(n);
        (!divisor.is_one() && divisor != *n).then_some(divisor)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primality::is_prime;

    /// Returns the first prime of at least `start`.
    fn prime_from(start: UBig) -> UBig {
        let mut candidate = start | UBig::ONE;
        while !is_prime(&candidate) {
            candidate += UBig::from(2u8);
        }
        candidate
    }

    #[test]
    fn splits_products_of_two_primes() {
        (66..=150).step_by(3).for_each(assert_split);
        assert_split(160);
    }

    #[test]
    #[ignore = "takes a minute; `scripts/bench-factor --check` runs it"]
    fn splits_products_of_two_primes_of_up_to_100_bits() {
        [180, 195, 199, 200].into_iter().for_each(assert_split);
        let n: UBig = "1054553091544962368324412623141829621987926985645658619248919".parse().unwrap();
        assert!(find_factor(&n).is_some());
    }

    fn assert_split(bits: usize) {
        let p = prime_from((UBig::ONE << (bits / 2)) / UBig::from(3u8) * UBig::from(2u8));
        let q = prime_from((UBig::ONE << (bits - bits / 2)) / UBig::from(7u8) * UBig::from(6u8));
        let found = find_factor(&(&p * &q)).unwrap();
        assert!(found == p || found == q, "{p} * {q}: {found}");
    }

    #[test]
    fn splits_products_of_three_primes() {
        let primes = [29, 31, 33].map(|bits| prime_from(UBig::ONE << bits));
        let n: UBig = primes.iter().product();
        let found = find_factor(&n).unwrap();
        assert!(!found.is_one() && found != n && (&n % &found).is_zero());
    }
}
