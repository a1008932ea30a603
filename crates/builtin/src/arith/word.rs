//! Numbers of up to 64 bits.

use super::montgomery::Modulus;
use crate::{Natural, gcd::binary};

/// Divided out before anything clever is tried.
const SMALL_BOUND: u64 = 256;

/// The primes below 256.
pub(crate) fn small_primes() -> impl Iterator<Item = u64> {
    (2..SMALL_BOUND).filter(|&n| (2..n).take_while(|d| d * d <= n).all(|d| n % d != 0))
}

/// The prime factors of n >= 1, in no particular order.
pub(crate) fn prime_factors(mut n: u64) -> Vec<Natural> {
    let mut found = Vec::new();
    let mut divisor = 2;
    while divisor < SMALL_BOUND && divisor * divisor <= n {
        while n.is_multiple_of(divisor) {
            n /= divisor;
            found.push(Natural::Small(divisor));
        }
        divisor += if divisor == 2 { 1 } else { 2 };
    }
    let mut open = vec![n];
    while let Some(number) = open.pop() {
        if number == 1 {
            continue;
        }
        if number < SMALL_BOUND * SMALL_BOUND || is_prime(number) {
            found.push(Natural::Small(number));
        } else {
            let factor = find_factor(number);
            open.extend([factor, number / factor]);
        }
    }
    found
}

/// Whether an odd n above 37 is prime.
///
/// Miller-Rabin with the first twelve primes as bases, which decides for all n below 2^64 (J. Sorenson and
/// J. Webster, "Strong pseudoprimes to twelve prime bases", 2017).
pub(crate) fn is_prime(n: u64) -> bool {
    let modulus = Modulus::new(n);
    let (one, minus_one) = (modulus.residue(1), modulus.residue(n - 1));
    let twos = (n - 1).trailing_zeros();
    [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37].into_iter().all(|base| {
        let mut power = modulus.pow(modulus.residue(base), (n - 1) >> twos);
        if power == one || power == minus_one {
            return true;
        }
        (1..twos).any(|_| {
            power = modulus.mul(power, power);
            power == minus_one
        })
    })
}

/// A proper factor of an odd composite n.
///
/// Pollard's rho in Brent's form (R. P. Brent, "An improved Monte Carlo factorization algorithm", 1980):
/// differences are multiplied up and their gcd with n is taken once in a while.
fn find_factor(n: u64) -> u64 {
    let root = n.isqrt();
    if root * root == n {
        return root;
    }
    let modulus = Modulus::new(n);
    (1..).find_map(|constant| rho(modulus, constant)).expect("some constant splits a composite")
}

fn rho(modulus: Modulus, constant: u64) -> Option<u64> {
    const STRIDE: u64 = 128;
    let n = modulus.n();
    let step = |x: u64| modulus.add(modulus.mul(x, x), constant);
    let (mut fast, mut product, mut length) = (2, modulus.residue(1), 1u64);
    loop {
        let slow = fast;
        (0..length).for_each(|_| fast = step(fast));
        let mut done = 0;
        while done < length {
            let start = fast;
            for _ in 0..STRIDE.min(length - done) {
                fast = step(fast);
                product = modulus.mul(product, slow.abs_diff(fast));
            }
            let mut factor = binary(product, n);
            if factor == n {
                // Several factors met in one stride: walk it again, step by step.
                let mut again = start;
                factor = 1;
                while factor == 1 {
                    again = step(again);
                    factor = binary(slow.abs_diff(again), n);
                }
            }
            match factor {
                1 => {}
                _ if factor == n => return None,
                _ => return Some(factor),
            }
            done += STRIDE;
        }
        length *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strong_pseudoprimes_are_composite() {
        for n in [3_215_031_751, 3_825_123_056_546_413_051, 341_550_071_728_321, 4_759_123_141] {
            assert!(!is_prime(n), "{n}");
        }
    }

    #[test]
    fn the_primes_below_a_hundred_thousand_are_counted() {
        let count = (3..100_000u64).step_by(2).filter(|&n| prime_factors(n).len() == 1).count();
        assert_eq!(count + 1, 9592);
    }

    #[test]
    fn the_hardest_numbers_of_64_bits_are_split() {
        for (p, q) in [
            (4_294_967_291u64, 4_294_967_279u64),
            (4_294_967_291, 4_294_967_291),
            (2_147_483_647, 4_294_967_231),
        ] {
            let mut found = prime_factors(p * q);
            found.sort();
            assert_eq!(found, [Natural::Small(p.min(q)), Natural::Small(p.max(q))]);
        }
    }
}
