//! The primes up to a bound, by the sieve of Eratosthenes.

/// The primes up to `bound`, ascending.
pub(crate) fn primes_up_to(bound: usize) -> Vec<u32> {
    let composite = composites_up_to(bound);
    (2..=bound).filter(|&n| !composite[n]).map(|n| n as u32).collect()
}

/// For each number up to `bound` whether it is no prime.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_are_known() {
        assert_eq!(primes_up_to(1), []);
        assert_eq!(primes_up_to(13), [2, 3, 5, 7, 11, 13]);
        assert_eq!(primes_up_to(100_000).len(), 9592);
    }
}
