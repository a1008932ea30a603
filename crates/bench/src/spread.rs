//! What a series of rounds says.

use crate::{report::Spread, rounds::median};

/// So many median absolute deviations from the median are far.
const FAR: f64 = 3.0;

/// So small a part of the median is not far, however alike the rounds are.
const NEAR: f64 = 0.05;

impl Spread {
    /// Of what each round gave.
    #[must_use]
    pub fn of(rounds: Vec<f64>) -> Spread {
        let middle = median(rounds.clone());
        let distance = |figure: f64| (figure - middle).abs();
        let far = FAR * median(rounds.iter().map(|&figure| distance(figure)).collect());
        let is_outlier = |figure: f64| distance(figure) > far && distance(figure) > NEAR * middle.abs();
        let outliers = (0..rounds.len()).filter(|&place| is_outlier(rounds[place])).collect();
        Spread {
            median: middle,
            low: rounds.iter().copied().reduce(f64::min).unwrap_or_default(),
            high: rounds.iter().copied().reduce(f64::max).unwrap_or_default(),
            rounds,
            outliers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_that_lie_far_from_the_others_are_named_by_their_places() {
        let spread = Spread::of(vec![100.0, 150.0, 102.0, 98.0, 60.0, 101.0, 99.0]);
        assert_eq!((spread.median, spread.low, spread.high), (100.0, 60.0, 150.0));
        assert_eq!(spread.outliers, [1, 4]);
    }

    #[test]
    fn a_twentieth_is_never_far() {
        assert!(Spread::of(vec![100.0, 100.0, 105.0, 100.0, 95.0]).outliers.is_empty());
        assert_eq!(Spread::of(vec![100.0, 100.0, 105.1, 100.0]).outliers, [2]);
    }

    #[test]
    fn among_rounds_that_differ_nothing_is_far() {
        assert!(Spread::of(vec![50.0, 100.0, 150.0, 75.0, 125.0]).outliers.is_empty());
    }

    #[test]
    fn one_round_and_none_have_a_spread_too() {
        let one = Spread::of(vec![7.0]);
        assert_eq!((one.median, one.low, one.high, one.outliers.len()), (7.0, 7.0, 7.0, 0));
        assert_eq!(Spread::of(vec![]).median, 0.0);
    }
}
