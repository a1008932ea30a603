//! The factor base: primes that may divide a remainder.

use dashu_int::UBig;

use crate::primes::primes_up_to;

/// A prime p for which k n is a square modulo p.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prime {
    pub(super) p: u32,
    /// A square root of k n modulo p.
    pub(super) root: u32,
    /// Logarithm of p to base 2, rounded.
    pub(super) log: u8,
    /// 2^40 / p, rounded up.
    reciprocal: u64,
}

impl Prime {
    fn new(p: u32, root: u32) -> Prime {
        let log = f64::from(p).log2().round() as u8;
        Prime { p, root, log, reciprocal: (1u64 << 40).div_ceil(p.into()) }
    }

    /// Returns x modulo p, for x < 2^20 and p < 2^20.
    ///
    /// The quotient is exact for x * (p - 1) < 2^40: D. Lemire, O. Kaser and N. Kurz, "Faster remainder by
    /// direct computation", 2019.
    #[inline]
    pub(super) fn residue(&self, x: u32) -> u32 {
        x - ((u64::from(x) * self.reciprocal) >> 40) as u32 * self.p
    }

    /// Returns any number modulo p, by processing 32 bits at a time.
    pub(super) fn residue_wide(&self, x: u128) -> u32 {
        let (high, low, p) = ((x >> 64) as u64, x as u64, u64::from(self.p));
        [high, low >> 32, low & u64::from(u32::MAX)]
            .into_iter()
            .fold(0, |rest, digits| ((rest << 32) + digits % p) % p) as u32
    }
}

/// Primes that may divide a remainder.
#[derive(Debug)]
pub(super) struct FactorBase {
    /// k n, for the k whose remainders have small factors most often.
    pub(super) multiple: UBig,
    /// Primes, ascending; the first is 2.
    pub(super) primes: Vec<Prime>,
}

impl FactorBase {
    pub(super) fn new(n: &UBig, count: usize) -> FactorBase {
        // About half of the primes are usable, and the k-th prime is below k (ln k + ln ln k).
        let k = 2.5 * count as f64 + 100.0;
        let primes = primes_up_to((k * (k.ln() + k.ln().ln())) as usize);
        let multiple = n * UBig::from(best_multiplier(n, &primes));
        let usable = primes.into_iter().filter_map(|p| {
            let root = square_root((&multiple % u64::from(p)) as u32, p)?;
            Some(Prime::new(p, root))
        });
        FactorBase { primes: usable.take(count).collect(), multiple }
    }

    /// Returns a prime of the base that divides n. All primes are smaller than n.
    pub(super) fn divisor_of(&self, n: &UBig) -> Option<UBig> {
        let divisor = self.primes.iter().find(|prime| n % u64::from(prime.p) == 0)?;
        Some(divisor.p.into())
    }
}

/// Returns the multiplier k for which small primes divide the remainders most often, taking into account that
/// remainders grow with k n: D. E. Knuth and R. Schroeppel (in Pomerance, 1985).
fn best_multiplier(n: &UBig, primes: &[u32]) -> u32 {
    const MULTIPLIERS: [u32; 31] = [
        1, 2, 3, 5, 6, 7, 10, 11, 13, 14, 15, 17, 19, 21, 22, 23, 26, 29, 30, 31, 33, 34, 35, 37, 38, 39, 41,
        42, 43, 47, 53,
    ];
    let residues: Vec<(u32, u32)> =
        primes[1..].iter().take(120).map(|&p| (p, (n % u64::from(p)) as u32)).collect();
    let n_mod_8 = (n % 8u64) as u32;
    let score = |k: u32| {
        let two = match k * n_mod_8 % 8 {
            1 => 2.0,
            5 => 1.0,
            3 | 7 => 0.5,
            _ => 0.0,
        };
        let odd = residues.iter().map(|&(p, residue)| {
            let residue = u64::from(residue) * u64::from(k) % u64::from(p);
            let weight = match residue {
                0 => 1.0,
                residue if power(residue as u32, (p - 1) / 2, p) == 1 => 2.0,
                _ => 0.0,
            };
            weight * f64::from(p).ln() / f64::from(p - 1)
        });
        two * f64::ln(2.0) + odd.sum::<f64>() - 0.5 * f64::from(k).ln()
    };
    let scored = MULTIPLIERS.map(|k| (score(k), k));
    scored.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).map_or(1, |(_, k)| k)
}

/// Returns base^exponent modulo p.
fn power(base: u32, mut exponent: u32, p: u32) -> u32 {
    let (mut result, mut base, p) = (1, u64::from(base), u64::from(p));
    while exponent > 0 {
        if exponent % 2 == 1 {
            result = result * base % p;
        }
        base = base * base % p;
        exponent /= 2;
    }
    result as u32
}

/// Returns 1/x modulo a prime p that does not divide x, by Euclid's algorithm.
pub(super) fn inverse(x: u32, p: u32) -> u32 {
    let (mut a, mut b) = (p as i32, x as i32);
    let (mut u, mut v) = (0, 1);
    while b > 1 {
        let quotient = a / b;
        (a, b) = (b, a - quotient * b);
        (u, v) = (v, u - quotient * v);
    }
    v.rem_euclid(p as i32) as u32
}

/// Returns a square root of x modulo a prime p, if there is one (A. Tonelli, 1891; D. Shanks, 1973).
fn square_root(x: u32, p: u32) -> Option<u32> {
    if p == 2 || x == 0 {
        return Some(x);
    }
    if power(x, (p - 1) / 2, p) != 1 {
        return None;
    }
    let times = |a: u32, b: u32| (u64::from(a) * u64::from(b) % u64::from(p)) as u32;
    let twos = (p - 1).trailing_zeros();
    let odd = (p - 1) >> twos;
    let non_residue = (2..p).find(|&z| power(z, (p - 1) / 2, p) == p - 1)?;
    let (mut order, mut generator) = (twos, power(non_residue, odd, p));
    let (mut root, mut rest) = (power(x, odd.div_ceil(2), p), power(x, odd, p));
    while rest != 1 {
        // Find the smallest i such that squaring `rest` i times yields 1.
        let least = (1..order).scan(rest, |square, _| {
            *square = times(*square, *square);
            Some(*square)
        });
        let least = least.take_while(|&square| square != 1).count() as u32 + 1;
        let step = (0..order - least - 1).fold(generator, |step, _| times(step, step));
        (order, generator) = (least, times(step, step));
        (root, rest) = (times(root, step), times(rest, generator));
    }
    Some(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_and_inverses_modulo_small_primes() {
        for p in primes_up_to(400) {
            for x in 0..p {
                let squares = (0..p).any(|y| y * y % p == x);
                let root = square_root(x, p);
                assert_eq!(root.is_some(), squares, "{x} modulo {p}");
                assert!(root.is_none_or(|root| root * root % p == x), "{x} modulo {p}");
                assert!(x == 0 || x * inverse(x, p) % p == 1, "{x} modulo {p}");
            }
        }
    }
}
