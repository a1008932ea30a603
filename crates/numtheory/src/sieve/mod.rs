//! The self-initializing quadratic sieve: for numbers of up to 200 bits whose factors are all large.
//!
//! C. Pomerance, "The quadratic sieve factoring algorithm", 1985; R. D. Silverman, "The multiple polynomial quadratic
//! sieve", 1987; S. P. Contini, "Factoring integers with the self-initializing quadratic sieve", 1997. Squares
//! (a x + b)^2 whose remainder modulo n has only small prime factors are looked for; enough of them multiply to a square
//! on both sides, x^2 = y^2 modulo n, and x + y has a factor in common with n every other time.

mod base;
mod matrix;
mod polynomial;
mod relations;
mod search;
mod size;

use dashu_int::{UBig, ops::Gcd};

use base::Base;
use matrix::dependencies;
use polynomial::Polynomials;
use relations::Relations;
use search::Search;
pub(crate) use size::MOST_BITS;
use size::Size;

/// How many relations are found beyond the number of primes, each of which gives a chance of one half.
const SURPLUS: usize = 12;

/// A proper factor of an odd composite of at most [`MOST_BITS`] bits that is no perfect power and has no small factor.
pub(crate) fn find_factor(n: &UBig) -> Option<UBig> {
    let size = Size::of(n);
    let base = Base::new(n, size.primes);
    if let Some(factor) = base.divisor_of(n) {
        return Some(factor);
    }
    let mut relations = Relations::new(n);
    let mut search = Search::new(&base, &size);
    let mut polynomials = Polynomials::new(&base, &size);
    let mut wanted = base.primes.len() + SURPLUS;
    // Each new round has to find what the last one lacked.
    for _ in 0..8 {
        while relations.len() < wanted {
            search.run(polynomials.next()?, &mut relations);
        }
        let factor = factor_from(n, &base, &relations);
        if factor.is_some() {
            return factor;
        }
        wanted = relations.len() + SURPLUS;
    }
    None
}

fn factor_from(n: &UBig, base: &Base, relations: &Relations<'_>) -> Option<UBig> {
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

    /// The first prime from a number on.
    fn prime_from(start: UBig) -> UBig {
        let mut candidate = start | UBig::ONE;
        while !is_prime(&candidate) {
            candidate += UBig::from(2u8);
        }
        candidate
    }

    #[test]
    fn products_of_two_primes_of_all_sizes_are_split() {
        (66..=150).step_by(3).for_each(is_split);
        is_split(160);
    }

    #[test]
    #[ignore = "takes a minute; `scripts/bench-factor --check` runs it"]
    fn products_of_two_primes_of_up_to_a_hundred_bits_are_split() {
        [180, 195, 199, 200].into_iter().for_each(is_split);
        let n: UBig = "1054553091544962368324412623141829621987926985645658619248919".parse().unwrap();
        assert!(find_factor(&n).is_some());
    }

    fn is_split(bits: usize) {
        let p = prime_from((UBig::ONE << (bits / 2)) / UBig::from(3u8) * UBig::from(2u8));
        let q = prime_from((UBig::ONE << (bits - bits / 2)) / UBig::from(7u8) * UBig::from(6u8));
        let found = find_factor(&(&p * &q)).unwrap();
        assert!(found == p || found == q, "{p} * {q}: {found}");
    }

    #[test]
    fn products_of_three_primes_are_split() {
        let primes = [29, 31, 33].map(|bits| prime_from(UBig::ONE << bits));
        let n: UBig = primes.iter().product();
        let found = find_factor(&n).unwrap();
        assert!(!found.is_one() && found != n && (&n % &found).is_zero());
    }
}
