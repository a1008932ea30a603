//! Arithmetic modulo a number of any size with the big-integer crate, whose multiplication is faster for long
//! numbers.

use dashu_int::{UBig, fast_div::ConstDivisor, ops::Gcd};

use super::arithmetic::Ring;

/// A modulus of any size.
#[derive(Debug)]
pub(crate) struct Any {
    n: UBig,
    divisor: ConstDivisor,
}

impl Any {
    pub(crate) fn new(n: &UBig) -> Any {
        Any { n: n.clone(), divisor: ConstDivisor::new(n.clone()) }
    }

    fn reduce(&self, product: UBig) -> UBig {
        product % &self.divisor
    }
}

impl Ring for Any {
    type Residue = UBig;

    fn modulus(&self) -> UBig {
        self.n.clone()
    }

    fn residue(&self, number: u64) -> UBig {
        UBig::from(number) % &self.divisor
    }

    fn add(&self, a: &UBig, b: &UBig) -> UBig {
        let sum = a + b;
        if sum >= self.n { sum - &self.n } else { sum }
    }

    fn sub(&self, a: &UBig, b: &UBig) -> UBig {
        if a >= b { a - b } else { a + &self.n - b }
    }

    fn mul(&self, a: &UBig, b: &UBig) -> UBig {
        self.reduce(a * b)
    }

    fn square(&self, a: &UBig) -> UBig {
        self.reduce(a.sqr())
    }

    fn common_divisor(&self, a: &UBig) -> UBig {
        a.gcd(&self.n)
    }
}
