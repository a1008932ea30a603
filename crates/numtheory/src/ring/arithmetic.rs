//! The operations of a ring of residues.

use dashu_int::{UBig, ops::BitTest};

/// Arithmetic modulo an odd number above 1.
pub(crate) trait Ring {
    /// A residue. Its representation is unique: equal residues compare equal.
    type Residue: Clone + PartialEq;

    /// Number of residues in a value of type `Residue`: 1, except for [`Lanes`](super::Lanes).
    const LANES: usize = 1;

    fn modulus(&self) -> UBig;

    /// Returns the residue of a number.
    fn residue(&self, number: u64) -> Self::Residue;

    /// Returns the residues of several numbers, one for each lane.
    fn spread(&self, number: impl Fn(usize) -> u64) -> Self::Residue {
        self.residue(number(0))
    }

    /// Returns the residue of a number of any size, by Horner's rule over its bits.
    fn residue_of(&self, number: &UBig) -> Self::Residue {
        let (mut sum, one) = (self.residue(0), self.residue(1));
        for bit in (0..number.bit_len()).rev() {
            sum = self.add(&sum, &sum);
            if number.bit(bit) {
                sum = self.add(&sum, &one);
            }
        }
        sum
    }

    fn add(&self, a: &Self::Residue, b: &Self::Residue) -> Self::Residue;

    fn sub(&self, a: &Self::Residue, b: &Self::Residue) -> Self::Residue;

    fn mul(&self, a: &Self::Residue, b: &Self::Residue) -> Self::Residue;

    fn square(&self, a: &Self::Residue) -> Self::Residue {
        self.mul(a, a)
    }

    /// Returns the greatest common divisor of a residue and the modulus, which is the modulus for 0.
    fn common_divisor(&self, a: &Self::Residue) -> UBig;

    /// Returns `base`^`exponent`, for an exponent above 0.
    fn pow(&self, base: &Self::Residue, exponent: &UBig) -> Self::Residue {
        let mut power = base.clone();
        for bit in (0..exponent.bit_len() - 1).rev() {
            power = self.square(&power);
            if exponent.bit(bit) {
                power = self.mul(&power, base);
            }
        }
        power
    }
}
