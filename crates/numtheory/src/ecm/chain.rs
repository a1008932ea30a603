//! Stage 1: multiples of a point by Lucas chains, for points whose addition requires their difference.
//!
//! P. L. Montgomery, "Evaluating recurrences of form X(m+n) = f(X(m), X(n), X(m-n)) via Lucas chains", 1983
//! (PRAC). A chain for k starts from k and some r, and reduces both to 1 by steps that maintain A - B = C.
//! The r with the shortest chain is searched once for each prime, near k divided by the golden ratio. The
//! steps of the chains are stored.

use super::curve::{Curve, Point};
use crate::ring::Ring;

/// An operation on the points A, B and C, named by its number in Montgomery's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    One,
    /// Also the operation of the fourth rule.
    Two,
    Three,
    Five,
    Six,
    Seven,
    Eight,
    Nine,
}

impl Rule {
    /// Number of additions and doublings.
    fn cost(self) -> u32 {
        match self {
            Rule::Three => 1,
            Rule::Two | Rule::Five | Rule::Nine => 2,
            Rule::One => 3,
            Rule::Six | Rule::Seven | Rule::Eight => 4,
        }
    }
}

/// One step of stage 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A := 2 A.
    Double,
    /// B := A, C := A, A := 2 A: the start of a chain.
    Begin,
    /// Swaps A and B if `swap` is set, and applies a rule.
    Apply { swap: bool, rule: Rule },
    /// A := A + B: the end of a chain.
    End,
}

/// The steps of chains are stored for primes below this limit. For all primes they would need too much
/// memory.
const STORED_BELOW: u32 = 1 << 16;

/// Multiplies a point by the product of prime powers.
#[derive(Debug, Default)]
pub(super) struct StageOne {
    steps: Vec<Step>,
    /// Larger primes, and the r of their chains.
    large_primes: Vec<(u32, u32)>,
}

impl StageOne {
    /// Creates the steps that multiply by the largest power up to `bound` of each prime.
    pub(super) fn new(primes: &[u32], bound: u32) -> StageOne {
        let mut stage = StageOne::default();
        for &prime in primes.iter().take_while(|&&prime| prime <= bound) {
            let exponent = bound.ilog(prime) as usize;
            match prime {
                2 => stage.steps.resize(exponent, Step::Double),
                ..STORED_BELOW => stage.steps.extend(chain(prime, best_start(prime)).repeat(exponent)),
                _ => stage.large_primes.push((prime, best_start(prime))),
            }
        }
        debug_assert!(
            bound < STORED_BELOW.saturating_mul(STORED_BELOW),
            "the exponent of large primes must be 1"
        );
        stage
    }

    /// Returns the multiple of a point.
    pub(super) fn run<R: Ring>(&self, curve: &Curve<'_, R>, start: Point<R::Residue>) -> Point<R::Residue> {
        let point = run(&self.steps, curve, start);
        self.large_primes.iter().fold(point, |point, &(prime, r)| run(&chain(prime, r), curve, point))
    }
}

fn run<R: Ring>(steps: &[Step], curve: &Curve<'_, R>, start: Point<R::Residue>) -> Point<R::Residue> {
    let (mut a, mut b, mut c) = (start.clone(), start.clone(), start);
    for &step in steps {
        match step {
            Step::Double => a = curve.double(&a),
            Step::Begin => {
                (b, c) = (a.clone(), a.clone());
                a = curve.double(&a);
            }
            Step::End => a = curve.add(&a, &b, &c),
            Step::Apply { swap, rule } => {
                if swap {
                    std::mem::swap(&mut a, &mut b);
                }
                apply(rule, curve, [&mut a, &mut b, &mut c]);
            }
        }
    }
    a
}

#[inline]
fn apply<R: Ring>(rule: Rule, curve: &Curve<'_, R>, [a, b, c]: [&mut Point<R::Residue>; 3]) {
    match rule {
        Rule::Three => {
            let sum = curve.add(a, b, c);
            *c = std::mem::replace(b, sum);
        }
        Rule::Two => {
            *b = curve.add(a, b, c);
            *a = curve.double(a);
        }
        Rule::Five => {
            *c = curve.add(c, a, b);
            *a = curve.double(a);
        }
        Rule::Nine => {
            *c = curve.add(c, b, a);
            *b = curve.double(b);
        }
        Rule::One => {
            let sum = curve.add(a, b, c);
            let next = curve.add(&sum, a, b);
            *b = curve.add(b, &sum, a);
            *a = next;
        }
        Rule::Six => {
            let (twice, sum) = (curve.double(a), curve.add(a, b, c));
            *a = curve.add(&twice, a, a);
            let next = curve.add(&twice, &sum, c);
            *c = std::mem::replace(b, next);
        }
        Rule::Seven => {
            let sum = curve.add(a, b, c);
            *b = curve.add(&sum, a, b);
            let twice = curve.double(a);
            *a = curve.add(a, &twice, a);
        }
        Rule::Eight => {
            let sum = curve.add(a, b, c);
            *c = curve.add(c, a, b);
            *b = sum;
            let twice = curve.double(a);
            *a = curve.add(a, &twice, a);
        }
    }
}

/// Maximum distance of r from the prime divided by the golden ratio.
const MAX_DISTANCE: u32 = 12;

/// Returns the r of the cheapest chain for an odd prime.
fn best_start(prime: u32) -> u32 {
    let middle = (f64::from(prime) / 1.618_033_988_749_895).round() as u32;
    let candidates = (middle.saturating_sub(MAX_DISTANCE)..=middle + MAX_DISTANCE)
        .filter(|r| (prime / 2 + 1..prime).contains(r));
    let cost = |r: &u32| descent(prime, *r).map(|(_, rule)| rule.cost()).sum::<u32>();
    candidates.min_by_key(cost).expect("prime / golden ratio is between prime / 2 and prime")
}

/// Returns the chain for an odd prime that starts with r.
fn chain(prime: u32, r: u32) -> Vec<Step> {
    let rules = descent(prime, r).map(|(swap, rule)| Step::Apply { swap, rule });
    [Step::Begin].into_iter().chain(rules).chain([Step::End]).collect()
}

/// Returns the rules that reduce a prime k and r to 1, each with a flag that A and B are swapped first. The
/// sequence ends when both are equal, and thus 1, because they have no common factor.
fn descent(k: u32, r: u32) -> impl Iterator<Item = (bool, Rule)> {
    let (mut d, mut e) = (k - r, 2 * r - k);
    std::iter::from_fn(move || {
        if d == e {
            return None;
        }
        let swap = d < e;
        if swap {
            (d, e) = (e, d);
        }
        let rule = rule(d, e);
        (d, e) = reduce(rule, d, e);
        Some((swap, rule))
    })
}

/// Returns the first rule of the table that applies to d > e.
fn rule(d: u32, e: u32) -> Rule {
    let (sum, difference) = (d + e, d - e);
    if 4 * d <= 5 * e && sum.is_multiple_of(3) {
        Rule::One
    } else if 4 * d <= 5 * e && difference.is_multiple_of(6) {
        Rule::Two
    } else if d <= 4 * e {
        Rule::Three
    } else if difference.is_multiple_of(2) {
        Rule::Two
    } else if d.is_multiple_of(2) {
        Rule::Five
    } else if d.is_multiple_of(3) {
        Rule::Six
    } else if sum.is_multiple_of(3) {
        Rule::Seven
    } else if difference.is_multiple_of(3) {
        Rule::Eight
    } else {
        Rule::Nine
    }
}

/// Returns the new d and e after a rule.
fn reduce(rule: Rule, d: u32, e: u32) -> (u32, u32) {
    match rule {
        Rule::One => ((2 * d - e) / 3, (2 * e - d) / 3),
        Rule::Two => ((d - e) / 2, e),
        Rule::Three => (d - e, e),
        Rule::Five => (d / 2, e),
        Rule::Six => (d / 3 - e, e),
        Rule::Seven => ((d - 2 * e) / 3, e),
        Rule::Eight => ((d - e) / 3, e),
        Rule::Nine => (d, e / 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ecm::curve::{Curve, Point},
        primes::primes_up_to,
        ring::{Ring, Word},
    };

    /// Multiplies a point with Montgomery's ladder.
    fn ladder(curve: &Curve<'_, Word>, start: &Point<u64>, times: u32) -> Point<u64> {
        let (mut low, mut high) = (start.clone(), curve.double(start));
        for bit in (0..times.ilog2()).rev() {
            let sum = curve.add(&high, &low, start);
            if times >> bit & 1 == 1 {
                (low, high) = (sum, curve.double(&high));
            } else {
                (low, high) = (curve.double(&low), sum);
            }
        }
        low
    }

    #[test]
    fn chains_agree_with_ladder() {
        let ring = Word::new(u64::MAX - 58);
        let (curve, start) = Curve::new(&ring, &[(11, 1)]);
        for prime in primes_up_to(5_000).into_iter().chain([65_537, 10_999_997]) {
            let found = match prime {
                2 => curve.double(&start),
                _ => run(&chain(prime, best_start(prime)), &curve, start.clone()),
            };
            let expected = ladder(&curve, &start, prime);
            assert_eq!(ring.mul(&found.x, &expected.z), ring.mul(&expected.x, &found.z), "{prime}");
        }
    }

    #[test]
    fn multiplies_by_primes_whose_chains_are_not_stored() {
        let ring = Word::new(u64::MAX - 58);
        let (curve, start) = Curve::new(&ring, &[(11, 1)]);
        let found = StageOne::new(&[65_521, 65_537, 65_539], 65_538).run(&curve, start.clone());
        let expected = ladder(&curve, &ladder(&curve, &start, 65_521), 65_537);
        assert_eq!(ring.mul(&found.x, &expected.z), ring.mul(&expected.x, &found.z));
    }

    #[test]
    fn multiplies_by_the_largest_powers_below_the_bound() {
        let ring = Word::new(u64::MAX - 58);
        let (curve, start) = Curve::new(&ring, &[(11, 1)]);
        let found = StageOne::new(&primes_up_to(10), 10).run(&curve, start.clone());
        let expected = ladder(&curve, &start, 8 * 9 * 5 * 7);
        assert_eq!(ring.mul(&found.x, &expected.z), ring.mul(&expected.x, &found.z));
    }
}
