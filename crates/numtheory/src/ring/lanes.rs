//! Arithmetic with several residues at the same time.
//!
//! The latency of a modular product is dominated by dependent instructions. The CPU overlaps independent
//! products, so four take little more than twice the time of one.

use std::array;

use dashu_int::UBig;

use super::arithmetic::Ring;

/// N independent residues of the ring R.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lanes<R, const N: usize>(pub(crate) R);

impl<R: Ring<Residue: Copy>, const N: usize> Ring for Lanes<R, N> {
    type Residue = [R::Residue; N];

    const LANES: usize = N;

    fn modulus(&self) -> UBig {
        self.0.modulus()
    }

    fn residue(&self, number: u64) -> Self::Residue {
        [self.0.residue(number); N]
    }

    fn spread(&self, number: impl Fn(usize) -> u64) -> Self::Residue {
        array::from_fn(|lane| self.0.residue(number(lane)))
    }

    #[inline]
    fn add(&self, a: &Self::Residue, b: &Self::Residue) -> Self::Residue {
        array::from_fn(|lane| self.0.add(&a[lane], &b[lane]))
    }

    #[inline]
    fn sub(&self, a: &Self::Residue, b: &Self::Residue) -> Self::Residue {
        array::from_fn(|lane| self.0.sub(&a[lane], &b[lane]))
    }

    #[inline]
    fn mul(&self, a: &Self::Residue, b: &Self::Residue) -> Self::Residue {
        array::from_fn(|lane| self.0.mul(&a[lane], &b[lane]))
    }

    #[inline]
    fn square(&self, a: &Self::Residue) -> Self::Residue {
        array::from_fn(|lane| self.0.square(&a[lane]))
    }

    /// Returns the divisor of the product of all lanes, or, if that is the modulus, the first proper divisor
    /// of a lane. If no lane has one, returns 1, or the modulus if a lane is 0.
    fn common_divisor(&self, a: &Self::Residue) -> UBig {
        let n = self.modulus();
        let all = a.iter().skip(1).fold(a[0], |product, lane| self.0.mul(&product, lane));
        let divisor = self.0.common_divisor(&all);
        if divisor != n {
            return divisor;
        }
        let is_proper = |divisor: &UBig| !divisor.is_one() && *divisor != n;
        a.iter().map(|lane| self.0.common_divisor(lane)).find(is_proper).unwrap_or(n)
    }
}
