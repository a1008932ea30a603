//! Perfect powers. Elliptic curves cannot split them: all equal factors are found at the same time, or none.

use dashu_int::{UBig, ops::BitTest};

/// Number of primes modulo which a number must be a power before its root is computed.
const MODULI: usize = 4;

/// Returns the smallest base and largest exponent with n = base^exponent, if n is a power with an exponent
/// above 1. n must not have a factor below 1,000.
pub(crate) fn root(n: &UBig) -> Option<(UBig, usize)> {
    // All factors are above 2^9, which limits the exponent.
    let max_exponent = n.bit_len() / 9;
    let exponents = (2..=max_exponent).filter(|&exponent| is_prime(exponent));
    exponents.filter(|&exponent| may_be_power(n, exponent)).find_map(|exponent| {
        let base = n.nth_root(exponent);
        (base.pow(exponent) == *n).then(|| match root(&base) {
            Some((smallest, other)) => (smallest, exponent * other),
            None => (base, exponent),
        })
    })
}

/// Returns whether n is a power with this prime exponent modulo some primes. This is much faster than
/// computing a root, and unlikely for a number that is not a power: modulo a prime q of the form k * exponent
/// + 1, only one in `exponent` residues is such a power, namely 0 and the residues r with r^k = 1.
fn may_be_power(n: &UBig, exponent: usize) -> bool {
    let moduli = (1..).map(|k| 2 * k * exponent + 1).filter(|&q| is_prime(q)).take(MODULI);
    moduli.map(|q| q as u64).all(|q| power_modulo(n % q, (q - 1) / exponent as u64, q) <= 1)
}

/// Returns `base`^`exponent` modulo q, for a base below q and an exponent above 0.
fn power_modulo(base: u64, exponent: u64, q: u64) -> u64 {
    let product = |a: u64, b: u64| (u128::from(a) * u128::from(b) % u128::from(q)) as u64;
    (0..exponent.ilog2()).rev().fold(base, |power, bit| {
        let square = product(power, power);
        if exponent >> bit & 1 == 1 { product(square, base) } else { square }
    })
}

fn is_prime(n: usize) -> bool {
    (2..n).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_powers() {
        let base = UBig::from(1_000_003u32 * 1_021);
        for exponent in 2..40 {
            assert_eq!(root(&base.pow(exponent)), Some((base.clone(), exponent)), "{exponent}");
            assert_eq!(root(&(base.pow(exponent) + UBig::ONE)), None, "{exponent}");
        }
        assert_eq!(root(&base), None);
    }

    #[test]
    fn computes_powers_modulo_a_prime() {
        for (base, exponent, q) in [(0, 1, 5), (2, 1, 5), (2, 10, 1_000_003), (3, 1_000_002, 1_000_003)] {
            let expected = UBig::from(base).pow(exponent) % UBig::from(q);
            assert_eq!(UBig::from(power_modulo(base, exponent as u64, q)), expected);
        }
    }
}
