//! Median, range and outliers of a series of rounds.

use crate::{report::Spread, rounds::median};

/// Multiple of the median absolute deviation beyond which a round is an outlier.
const OUTLIER_DEVIATIONS: f64 = 3.0;

/// Distance from the median, as a fraction of it, within which a round is never an outlier, however small the
/// deviation.
const MIN_OUTLIER_DISTANCE: f64 = 0.05;

impl Spread {
    /// Summarizes the values of all rounds.
    #[must_use]
    pub fn of(rounds: Vec<f64>) -> Spread {
        let middle = median(rounds.clone());
        let distance = |figure: f64| (figure - middle).abs();
        let far = OUTLIER_DEVIATIONS * median(rounds.iter().map(|&figure| distance(figure)).collect());
        let min_distance = MIN_OUTLIER_DISTANCE * middle.abs();
        let is_outlier = |figure: f64| distance(figure) > far && distance(figure) > min_distance;
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
    fn outliers_are_indices_of_rounds() {
        let spread = Spread::of(vec![100.0, 150.0, 102.0, 98.0, 60.0, 101.0, 99.0]);
        assert_eq!((spread.median, spread.low, spread.high), (100.0, 60.0, 150.0));
        assert_eq!(spread.outliers, [1, 4]);
    }

    #[test]
    fn five_percent_is_never_an_outlier() {
        assert!(Spread::of(vec![100.0, 100.0, 105.0, 100.0, 95.0]).outliers.is_empty());
        assert_eq!(Spread::of(vec![100.0, 100.0, 105.1, 100.0]).outliers, [2]);
    }

    #[test]
    fn a_wide_spread_has_no_outliers() {
        assert!(Spread::of(vec![50.0, 100.0, 150.0, 75.0, 125.0]).outliers.is_empty());
    }

    #[test]
    fn one_round_or_none_has_a_spread() {
        let one = Spread::of(vec![7.0]);
        assert_eq!((one.median, one.low, one.high, one.outliers.len()), (7.0, 7.0, 7.0, 0));
        assert_eq!(Spread::of(vec![]).median, 0.0);
    }
}
