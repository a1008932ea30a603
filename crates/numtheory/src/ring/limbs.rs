//! Montgomery arithmetic modulo an odd number of up to N words.
//!
//! Multiplication and reduction are interleaved word by word: C. K. Koc, T. Acar and B. S. Kaliski,
//! "Analyzing and comparing Montgomery multiplication algorithms", 1996 (CIOS).

use dashu_int::{UBig, ops::Gcd};

use super::arithmetic::Ring;
use crate::inverse::inverse;

/// A modulus of N words with the constants of Montgomery multiplication. The least significant word is the
/// first.
#[derive(Clone, Debug)]
pub(crate) struct Limbs<const N: usize> {
    n: [u64; N],
    /// -1/n modulo 2^64.
    negated_inverse: u64,
    /// 2^(64 N) mod n: the residue of 1.
    one: [u64; N],
    /// 2^(128 N) mod n.
    square: [u64; N],
}

impl<const N: usize> Limbs<N> {
    /// Creates the ring for an odd n above 1 of at most N words.
    pub(crate) fn new(n: &UBig) -> Limbs<N> {
        let words = words(n);
        let radix = UBig::ONE << (64 * N);
        let one = &radix % n;
        Limbs {
            n: words,
            negated_inverse: inverse(words[0]).wrapping_neg(),
            square: self::words(&(&one * &one % n)),
            one: self::words(&one),
        }
    }

    /// Reduces `sum` with its carry, which is below 2 n, modulo n.
    #[inline]
    fn reduce_once(&self, sum: [u64; N], carry: bool) -> [u64; N] {
        let (difference, borrow) = subtract(&sum, &self.n);
        if carry || !borrow { difference } else { sum }
    }
}

impl<const N: usize> Ring for Limbs<N> {
    type Residue = [u64; N];

    fn modulus(&self) -> UBig {
        UBig::from_words(&self.n)
    }

    fn residue(&self, number: u64) -> [u64; N] {
        let mut words = [0; N];
        words[0] = number;
        match number {
            0 => words,
            1 => self.one,
            _ => self.mul(&words, &self.square),
        }
    }

    #[inline]
    fn add(&self, a: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let (mut sum, mut carry) = ([0; N], false);
        for word in 0..N {
            let (partial, first) = a[word].overflowing_add(b[word]);
            let (total, second) = partial.overflowing_add(carry.into());
            (sum[word], carry) = (total, first | second);
        }
        self.reduce_once(sum, carry)
    }

    #[inline]
    fn sub(&self, a: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let (difference, borrow) = subtract(a, b);
        if !borrow {
            return difference;
        }
        let (mut sum, mut carry) = ([0; N], 0);
        for word in 0..N {
            let total = u128::from(difference[word]) + u128::from(self.n[word]) + carry;
            (sum[word], carry) = (total as u64, total >> 64);
        }
        sum
    }

    #[inline]
    fn mul(&self, a: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let (mut sum, mut top) = ([0; N], 0u64);
        for &digit in b {
            let mut carry = 0;
            for word in 0..N {
                (sum[word], carry) = multiply_add(a[word], digit, sum[word], carry);
            }
            let (above, beyond) = top.overflowing_add(carry);
            let factor = sum[0].wrapping_mul(self.negated_inverse);
            let (_, mut carry) = multiply_add(factor, self.n[0], sum[0], 0);
            for word in 1..N {
                (sum[word - 1], carry) = multiply_add(factor, self.n[word], sum[word], carry);
            }
            let (last, over) = above.overflowing_add(carry);
            sum[N - 1] = last;
            top = u64::from(beyond) + u64::from(over);
        }
        self.reduce_once(sum, top != 0)
    }

    fn common_divisor(&self, a: &[u64; N]) -> UBig {
        // gcd(0, 0) panics, but the modulus is not 0.
        UBig::from_words(a).gcd(&self.modulus())
    }
}

fn words<const N: usize>(number: &UBig) -> [u64; N] {
    let mut words = [0; N];
    words[..number.as_words().len()].copy_from_slice(number.as_words());
    words
}

#[inline]
fn subtract<const N: usize>(a: &[u64; N], b: &[u64; N]) -> ([u64; N], bool) {
    let (mut difference, mut borrow) = ([0; N], false);
    for word in 0..N {
        let (partial, first) = a[word].overflowing_sub(b[word]);
        let (total, second) = partial.overflowing_sub(borrow.into());
        (difference[word], borrow) = (total, first | second);
    }
    (difference, borrow)
}

/// Returns the low and the high word of a * b + c + d, which cannot overflow.
#[inline]
fn multiply_add(a: u64, b: u64, c: u64, d: u64) -> (u64, u64) {
    let total = u128::from(a) * u128::from(b) + u128::from(c) + u128::from(d);
    (total as u64, (total >> 64) as u64)
}
