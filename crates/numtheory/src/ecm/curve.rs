//! Montgomery curves and their points, without y coordinates.
//!
//! P. L. Montgomery, "Speeding the Pollard and elliptic curve methods of factorization", 1987. The sum of two
//! points is computed from the points and their difference. A coefficient of the curve is stored as a
//! fraction. This costs a product for each doubling, of which there are few, and saves an inversion.

use crate::ring::Ring;

/// Projective coordinates x : z, which are equal for a point and its negative; z = 0 for the neutral element.
#[derive(Clone)]
pub(super) struct Point<T> {
    pub(super) x: T,
    pub(super) z: T,
}

/// A fraction s / t that selects a curve.
pub(super) type Sigma = (u64, u64);

/// The curve b y^2 = x^3 + a x^2 + x, given by (a + 2) / 4 as a fraction.
pub(super) struct Curve<'a, R: Ring> {
    pub(super) ring: &'a R,
    numerator: R::Residue,
    denominator: R::Residue,
}

impl<'a, R: Ring> Curve<'a, R> {
    /// Returns the curve of a fraction sigma, whose group order is divisible by 12, and a point on it (H.
    /// Suyama, 1985; in R. P. Brent, "Factorization of the tenth Fermat number", 1999, section 2). Each lane
    /// has its own sigma.
    pub(super) fn new(ring: &'a R, sigmas: &[Sigma]) -> (Curve<'a, R>, Point<R::Residue>) {
        let s = ring.spread(|lane| sigmas[lane].0);
        let t = ring.spread(|lane| sigmas[lane].1);
        let times = |factor: u64, x: &R::Residue| ring.mul(&ring.residue(factor), x);
        let cube = |x: &R::Residue| ring.mul(&ring.square(x), x);
        // u = sigma^2 - 5 and v = 4 sigma, both multiplied by t^2, which does not change the curve.
        let u = ring.sub(&ring.square(&s), &times(5, &ring.square(&t)));
        let v = times(4, &ring.mul(&s, &t));
        let start = Point { x: cube(&u), z: cube(&v) };
        let numerator = ring.mul(&cube(&ring.sub(&v, &u)), &ring.add(&times(3, &u), &v));
        let denominator = ring.mul(&times(16, &start.x), &v);
        (Curve { ring, numerator, denominator }, start)
    }

    /// Returns p + q, given `difference` = p - q.
    #[inline]
    pub(super) fn add(
        &self,
        p: &Point<R::Residue>,
        q: &Point<R::Residue>,
        difference: &Point<R::Residue>,
    ) -> Point<R::Residue> {
        let ring = self.ring;
        let one = ring.mul(&ring.sub(&p.x, &p.z), &ring.add(&q.x, &q.z));
        let other = ring.mul(&ring.add(&p.x, &p.z), &ring.sub(&q.x, &q.z));
        let (sum, gap) = (ring.add(&one, &other), ring.sub(&one, &other));
        Point {
            x: ring.mul(&difference.z, &ring.square(&sum)),
            z: ring.mul(&difference.x, &ring.square(&gap)),
        }
    }

    /// Returns 2 p.
    #[inline]
    pub(super) fn double(&self, p: &Point<R::Residue>) -> Point<R::Residue> {
        let ring = self.ring;
        let sum = ring.square(&ring.add(&p.x, &p.z));
        let gap = ring.square(&ring.sub(&p.x, &p.z));
        let product = ring.sub(&sum, &gap);
        let scaled = ring.mul(&gap, &self.denominator);
        let rest = ring.add(&scaled, &ring.mul(&product, &self.numerator));
        Point { x: ring.mul(&sum, &scaled), z: ring.mul(&product, &rest) }
    }
}
