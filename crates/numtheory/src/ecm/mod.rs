//! Elliptic curve method with two stages, for factors of more than 20 bits.
//!
//! H. W. Lenstra, "Factoring integers with elliptic curves", 1987. A curve modulo n is also a curve modulo
//! each prime factor p. If the order of its group modulo p has only small prime factors, a multiple of any
//! point is the neutral element modulo p, but usually not modulo n, which reveals p. This is rare for a
//! single curve, but each curve has another group order.

mod chain;
mod curve;
mod level;
mod pairs;
mod sigma;

use dashu_int::UBig;

use super::ring::Ring;
use curve::{Curve, Sigma};
pub(crate) use level::Level;
use level::Plan;
use sigma::sigmas;

/// Maximum number of lanes of a ring.
const MAX_LANES: usize = 8;

/// Returns a proper factor of the ring's modulus, an odd composite, if one of the levels finds one.
pub(crate) fn find_factor<'l, R: Ring>(
    ring: &R,
    levels: impl IntoIterator<Item = &'l Level>,
) -> Option<UBig> {
    let curves =
        levels.into_iter().flat_map(|level| (0..level.curves.div_ceil(R::LANES)).map(move |_| level));
    let mut sigmas = sigmas();
    curves.into_iter().find_map(|level| {
        let mut chosen = [(0, 0); MAX_LANES];
        chosen[..R::LANES].iter_mut().zip(&mut sigmas).for_each(|(lane, sigma)| *lane = sigma);
        try_curve(ring, level.plan(), &chosen)
    })
}

fn try_curve<R: Ring>(ring: &R, plan: &Plan, sigmas: &[Sigma]) -> Option<UBig> {
    let (curve, start) = Curve::new(ring, sigmas);
    let q = plan.stage_one.run(&curve, start);
    let product = plan.stage_two.run(&curve, &q, q.z.clone());
    let n = ring.modulus();
    let divisor = ring.common_divisor(&product);
    // If all factors were found together, stage 1 alone may have found only some of them.
    let divisor = if divisor == n { ring.common_divisor(&q.z) } else { divisor };
    (!divisor.is_one() && divisor != n).then_some(divisor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::{Lanes, Task, Word, in_ring_of};

    static LEVELS: [Level; 2] = [Level::new(50, 1_200, 30, 8), Level::new(300, 12_000, 210, 200)];

    struct Find<'a>(&'a [Level]);

    impl Task for Find<'_> {
        type Output = Option<UBig>;

        fn run<R: Ring>(self, ring: &R) -> Option<UBig> {
            find_factor(ring, self.0)
        }
    }

    #[test]
    fn every_ring_finds_factors() {
        let (p, q) = (4_294_967_291u64, 4_294_967_279u64);
        let is_factor = |n: &UBig, found: UBig| !found.is_one() && found != *n && (n % found).is_zero();
        let word = Word::new(p * q);
        assert!(is_factor(&(p * q).into(), find_factor(&word, &LEVELS).unwrap()));
        assert!(is_factor(&(p * q).into(), find_factor(&Lanes::<_, 4>(word), &LEVELS).unwrap()));
        for bits in [61, 89, 127, 521, 1279] {
            let n = ((UBig::ONE << bits) - UBig::ONE) * UBig::from(p);
            assert!(is_factor(&n, in_ring_of(&n, Find(&LEVELS)).unwrap()), "{n}");
        }
    }

    #[test]
    fn returns_none_after_the_last_level() {
        let n = ((UBig::ONE << 89) - UBig::ONE) * ((UBig::ONE << 107) - UBig::ONE);
        assert_eq!(in_ring_of(&n, Find(&LEVELS[..1])), None);
    }
}
