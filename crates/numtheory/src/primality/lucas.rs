//! Strong Lucas probable prime test.
//!
//! R. Baillie and S. S. Wagstaff, "Lucas pseudoprimes", 1980, with Selfridge's parameters: D is the first of
//! 5, -7, 9, -11, ... with Jacobi symbol -1, P = 1, Q = (1 - D) / 4.

use dashu_int::{
    UBig,
    ops::{BitTest, SquareRoot},
};

use super::odd_part::odd_part;
use crate::ring::Ring;

/// Returns whether the modulus of the ring, an odd number above 2, passes the test. Squares do not pass.
pub(super) fn is_strong_probable_prime<R: Ring>(ring: &R) -> bool {
    let n = ring.modulus();
    let Some(d) = discriminant(&n) else { return false };
    let (discriminant, q) = (signed(ring, d), signed(ring, (1 - d) / 4));
    let (odd, twos) = odd_part(&n + UBig::ONE);
    let (zero, one) = (ring.residue(0), ring.residue(1));
    let half = ring.residue_of(&((&n + UBig::ONE) >> 1));
    let double = |x: &R::Residue| ring.add(x, x);
    // Start with U_1, V_1 and Q^1, then process the binary digits of the index after the first.
    let (mut u, mut v, mut power) = (one.clone(), one, q.clone());
    for bit in (0..odd.bit_len() - 1).rev() {
        (u, v) = (ring.mul(&u, &v), ring.sub(&ring.square(&v), &double(&power)));
        power = ring.square(&power);
        if odd.bit(bit) {
            let sum = ring.add(&u, &v);
            let scaled = ring.add(&ring.mul(&discriminant, &u), &v);
            (u, v) = (ring.mul(&sum, &half), ring.mul(&scaled, &half));
            power = ring.mul(&power, &q);
        }
    }
    if u == zero || v == zero {
        return true;
    }
    (1..twos).any(|_| {
        v = ring.sub(&ring.square(&v), &double(&power));
        power = ring.square(&power);
        v == zero
    })
}

/// Returns Selfridge's D, or `None` if the search proves that n is composite.
fn discriminant(n: &UBig) -> Option<i64> {
    for k in 2i64.. {
        let d = if k % 2 == 0 { 2 * k + 1 } else { -(2 * k + 1) };
        match jacobi(d, n) {
            -1 => return Some(d),
            // D and n have a common factor, which is n itself only if n is small.
            0 if UBig::from(d.unsigned_abs()) != *n => return None,
            _ => {}
        }
        // There is no D for squares. For other numbers the search is short.
        if k == 16 && n.sqrt().sqr() == *n {
            return None;
        }
    }
    None
}

/// Returns the residue of a signed number.
fn signed<R: Ring>(ring: &R, x: i64) -> R::Residue {
    let magnitude = ring.residue(x.unsigned_abs());
    if x < 0 { ring.sub(&ring.residue(0), &magnitude) } else { magnitude }
}

/// Returns the Jacobi symbol (d / n) of a small d and an odd n.
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
    // After quadratic reciprocity n is reduced modulo the small number, so that words suffice.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{primes::composites_up_to, ring::Word};

    #[test]
    fn only_known_pseudoprimes_pass() {
        let composite = composites_up_to(20_000);
        let passes = |n: usize| is_strong_probable_prime(&Word::new(n as u64));
        let (mut passing, mut failing) = (Vec::new(), Vec::new());
        for n in (3..20_000).step_by(2) {
            match (composite[n], passes(n)) {
                (true, true) => passing.push(n),
                (false, false) => failing.push(n),
                _ => {}
            }
        }
        // The strong Lucas pseudoprimes below 20,000: OEIS A217255.
        assert_eq!(passing, [5459, 5777, 10_877, 16_109, 18_971]);
        assert!(failing.is_empty(), "{failing:?}");
    }
}
