//! Sieve of Eratosthenes.

use std::ops::Range;

/// Returns the primes up to `bound`, ascending.
pub(crate) fn primes_up_to(bound: usize) -> Vec<u32> {
    let composite = composites_up_to(bound);
    (2..=bound).filter(|&n| !composite[n]).map(|n| n as u32).collect()
}

/// Returns for each number up to `bound` whether it is not prime.
pub(crate) fn composites_up_to(bound: usize) -> Vec<bool> {
    let mut composite = vec![false; bound + 1];
    composite.iter_mut().take(2).for_each(|flag| *flag = true);
    let mut prime = 2;
    while prime * prime <= bound {
        if !composite[prime] {
            composite[prime * prime..].iter_mut().step_by(prime).for_each(|flag| *flag = true);
        }
        prime += 1;
    }
    composite
}

/// Returns for each number of a range whether it is composite. The range must start at 2 or above. `primes`
/// must contain all primes up to the square root of the end of the range.
pub(crate) fn composites_in(range: Range<usize>, primes: &[u32]) -> Vec<bool> {
    let mut composite = vec![false; range.len()];
    for prime in primes.iter().map(|&prime| prime as usize).take_while(|prime| prime * prime < range.end) {
        let first = (prime * prime).max(range.start.next_multiple_of(prime));
        composite.iter_mut().skip(first - range.start).step_by(prime).for_each(|flag| *flag = true);
    }
    composite
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sieving_a_range_agrees_with_the_whole_sieve() {
        let (whole, primes) = (composites_up_to(20_000), primes_up_to(150));
        for range in [2..3, 2..100, 120..122, 5_000..5_001, 9_973..20_000] {
            assert_eq!(composites_in(range.clone(), &primes), whole[range]);
        }
    }

    #[test]
    fn finds_the_known_number_of_primes() {
        assert!(primes_up_to(1).is_empty());
        assert_eq!(primes_up_to(13), [2, 3, 5, 7, 11, 13]);
        assert_eq!(primes_up_to(100_000).len(), 9592);
    }
}
