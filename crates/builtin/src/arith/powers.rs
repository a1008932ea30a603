//! Perfect powers: elliptic curves find the factors of a square at once, or not at all.

use dashu_int::{UBig, ops::BitTest};

/// The least base and the largest exponent above 1 of n = base^exponent, if n is such a power and has no factor below 1,000.
pub(crate) fn root(n: &UBig) -> Option<(UBig, usize)> {
    // Factors above 2^9 leave room for so few of them.
    let most = n.bit_len() / 9;
    (2..=most).filter(|&exponent| is_prime(exponent)).find_map(|exponent| {
        let base = n.nth_root(exponent);
        (base.pow(exponent) == *n).then(|| match root(&base) {
            Some((least, more)) => (least, exponent * more),
            None => (base, exponent),
        })
    })
}

fn is_prime(n: usize) -> bool {
    (2..n).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_primes_and_of_products() {
        let base = UBig::from(1_000_003u32 * 1_021);
        for exponent in 2..40 {
            assert_eq!(root(&base.pow(exponent)), Some((base.clone(), exponent)), "{exponent}");
            assert_eq!(root(&(base.pow(exponent) + UBig::ONE)), None, "{exponent}");
        }
        assert_eq!(root(&base), None);
    }
}
