//! Numbers above 64 bits, on the big-integer crate's modular arithmetic.

use dashu_int::{
    UBig,
    fast_div::ConstDivisor,
    modular::Reduced,
    ops::{BitTest, Gcd, SquareRoot},
};

/// Whether n is prime.
///
/// Miller-Rabin with the first thirteen primes decides below 3.3 * 10^24 (J. Sorenson and J. Webster, 2017).
/// Above, a strong Lucas test is added: together with base 2 that is Baillie-PSW, for which no composite that
/// passes is known, and none has been proven not to exist.
pub(crate) fn is_prime(n: &UBig) -> bool {
    const BASES: [u32; 13] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41];
    if BASES.iter().any(|&base| n == &UBig::from(base)) {
        return true;
    }
    if *n < UBig::from(1763u32) {
        // Below 41 * 43 every composite has a factor among the bases.
        return *n > UBig::ONE && BASES.iter().all(|base| n % base != 0);
    }
    if BASES.iter().any(|base| n % base == 0) {
        return false;
    }
    let ring = ConstDivisor::new(n.clone());
    BASES.iter().all(|&base| is_strong_probable_prime(n, &ring, base))
        && (n.bit_len() <= 81 || is_strong_lucas_probable_prime(n, &ring))
}

fn is_strong_probable_prime(n: &UBig, ring: &ConstDivisor, base: u32) -> bool {
    let one = ring.reduce(1u8);
    let minus_one = -one.clone();
    let (odd, twos) = odd_part(n - UBig::ONE);
    let mut power = ring.reduce(base).pow(&odd);
    if power == one || power == minus_one {
        return true;
    }
    (1..twos).any(|_| {
        power = power.sqr();
        power == minus_one
    })
}

/// R. Baillie and S. S. Wagstaff, "Lucas pseudoprimes", 1980, with Selfridge's parameters: the first D of 5, -7, 9,
/// -11, ... with Jacobi symbol -1, P = 1, Q = (1 - D) / 4.
fn is_strong_lucas_probable_prime(n: &UBig, ring: &ConstDivisor) -> bool {
    let root = n.sqrt();
    if &root * &root == *n {
        return false;
    }
    let selfridge = (2..).map(|k: i64| if k % 2 == 0 { 2 * k + 1 } else { -(2 * k + 1) });
    let Some(d) = selfridge.into_iter().find(|&d| jacobi(d, n) != 1) else { return false };
    if jacobi(d, n) == 0 {
        return false;
    }
    let (discriminant, q) = (signed(ring, d), signed(ring, (1 - d) / 4));
    let (odd, twos) = odd_part(n + UBig::ONE);
    let half = ring.reduce((n + UBig::ONE) / UBig::from(2u8));
    let zero = ring.reduce(0u8);
    // U_1, V_1, Q^1; then the binary digits of the exponent from the second on.
    let (mut u, mut v, mut power) = (ring.reduce(1u8), ring.reduce(1u8), q.clone());
    for bit in (0..odd.bit_len() - 1).rev() {
        (u, v) = (&u * &v, v.sqr() - double(&power));
        power = power.sqr();
        if odd.bit(bit) {
            (u, v) = ((&u + &v) * &half, (&discriminant * &u + &v) * &half);
            power = &power * &q;
        }
    }
    if u == zero || v == zero {
        return true;
    }
    (1..twos).any(|_| {
        v = v.sqr() - double(&power);
        power = power.sqr();
        v == zero
    })
}

fn double<'a>(x: &Reduced<'a>) -> Reduced<'a> {
    x + x
}

fn signed(ring: &ConstDivisor, x: i64) -> Reduced<'_> {
    let magnitude = ring.reduce(x.unsigned_abs());
    if x < 0 { -magnitude } else { magnitude }
}

/// n = odd * 2^twos for n > 0.
fn odd_part(n: UBig) -> (UBig, usize) {
    let twos = n.trailing_zeros().unwrap_or(0);
    (n >> twos, twos)
}

/// The Jacobi symbol (d / n) of a small d and an odd n.
fn jacobi(d: i64, n: &UBig) -> i32 {
    let mut sign = 1;
    let residue = |modulus: u64| n % modulus;
    if d < 0 && residue(4) == 3 {
        sign = -sign;
    }
    let mut a = d.unsigned_abs();
    let twos = a.trailing_zeros();
    if twos % 2 == 1 && matches!(residue(8), 3 | 5) {
        sign = -sign;
    }
    a >>= twos;
    if a == 1 {
        return sign;
    }
    // Quadratic reciprocity brings n below the small number; from there words suffice.
    if a % 4 == 3 && residue(4) == 3 {
        sign = -sign;
    }
    sign * jacobi_small(residue(a), a)
}

fn jacobi_small(mut a: u64, mut n: u64) -> i32 {
    let mut sign = 1;
    while a != 0 {
        let twos = a.trailing_zeros();
        a >>= twos;
        if twos % 2 == 1 && matches!(n % 8, 3 | 5) {
            sign = -sign;
        }
        if a % 4 == 3 && n % 4 == 3 {
            sign = -sign;
        }
        (a, n) = (n % a, a);
    }
    if n == 1 { sign } else { 0 }
}

/// A proper factor of an odd composite n: Pollard's rho in Brent's form, as for words.
pub(crate) fn find_factor(n: &UBig) -> UBig {
    let root = n.sqrt();
    if &root * &root == *n {
        return root;
    }
    let ring = ConstDivisor::new(n.clone());
    (1u32..).find_map(|constant| rho(n, &ring, constant)).expect("some constant splits a composite")
}

fn rho<'a>(n: &UBig, ring: &'a ConstDivisor, constant: u32) -> Option<UBig> {
    const STRIDE: u64 = 256;
    let constant = ring.reduce(constant);
    let step = |x: &Reduced<'a>| x.sqr() + &constant;
    let (mut fast, mut product, mut length) = (ring.reduce(2u8), ring.reduce(1u8), 1u64);
    loop {
        let slow = fast.clone();
        (0..length).for_each(|_| fast = step(&fast));
        let mut done = 0;
        while done < length {
            let start = fast.clone();
            for _ in 0..STRIDE.min(length - done) {
                fast = step(&fast);
                product = &product * (&slow - &fast);
            }
            let mut factor = gcd_with(&product, n);
            if factor == *n {
                let mut again = start;
                factor = UBig::ONE;
                while factor == UBig::ONE {
                    again = step(&again);
                    factor = gcd_with(&(&slow - &again), n);
                }
            }
            match factor {
                factor if factor == UBig::ONE => {}
                factor if factor == *n => return None,
                factor => return Some(factor),
            }
            done += STRIDE;
        }
        length *= 2;
    }
}

fn gcd_with(x: &Reduced<'_>, n: &UBig) -> UBig {
    x.residue().gcd(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_are_judged_as_a_sieve_does() {
        let primes = (0..5000u32).filter(|&n| is_prime(&UBig::from(n))).count();
        assert_eq!(primes, 669);
    }

    #[test]
    fn mersenne_numbers() {
        let prime = |exponent: usize| is_prime(&((UBig::ONE << exponent) - UBig::ONE));
        let found: Vec<usize> = (2..620).filter(|&exponent| prime(exponent)).collect();
        assert_eq!(found, [2, 3, 5, 7, 13, 17, 19, 31, 61, 89, 107, 127, 521, 607]);
    }

    #[test]
    fn squares_and_products_of_large_primes_are_composite() {
        let (p, q) = ((UBig::ONE << 89) - UBig::ONE, (UBig::ONE << 107) - UBig::ONE);
        assert!(is_prime(&p) && is_prime(&q));
        assert!(!is_prime(&(&p * &q)) && !is_prime(&(&p * &p)));
    }

    #[test]
    fn the_lucas_test_alone_knows_its_pseudoprimes() {
        let lucas = |n: u32| {
            let n = UBig::from(n);
            is_strong_lucas_probable_prime(&n, &ConstDivisor::new(n.clone()))
        };
        // The strong Lucas pseudoprimes below 20,000 (OEIS A217255), and no other odd composite.
        let passing: Vec<u32> =
            (9..20_000).step_by(2).filter(|&n| !is_prime(&UBig::from(n)) && lucas(n)).collect();
        assert_eq!(passing, [5459, 5777, 10_877, 16_109, 18_971]);
    }
}
