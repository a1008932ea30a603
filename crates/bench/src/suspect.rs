//! Speedups that are not possible: a sign that the plain loop was disturbed while it was measured.
//!
//! N workers on C cores run at most min(N, C) jobs at the same time, each with the instructions that the
//! plain loop runs. A higher speedup is not an effect of the workers: most likely another program, or another
//! virtual machine, slowed the loop down. One such round is noise, so the rule looks at the lower quartile of
//! the rounds.

use crate::rounds::quantile;

/// Factor by which a speedup may exceed its limit, because the frequency of a core varies by a few percent.
const TOLERANCE: f64 = 1.05;

/// Fraction of the rounds that may be within the limit while the rest is above it. With fewer than four
/// rounds, all of them must be above it.
const LOWER_QUARTILE: f64 = 0.25;

/// Number of jobs that can run at the same time, which is the upper bound of a speedup. If fewer jobs are in
/// flight than there are workers and cores, that number is the bound, so a round trip is never faster than
/// the plain loop.
pub(crate) fn limit(workers: usize, cores: usize, in_flight: Option<u64>) -> f64 {
    let in_flight = in_flight.and_then(|jobs| usize::try_from(jobs).ok()).unwrap_or(usize::MAX);
    workers.min(cores).min(in_flight).max(1) as f64
}

/// Returns whether rounds with these speedups can have been measured without a disturbance.
pub(crate) fn is_possible(speedups: Vec<f64>, limit: f64) -> bool {
    quantile(speedups, LOWER_QUARTILE) <= TOLERANCE * limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_number_of_jobs_that_run_at_the_same_time() {
        assert_eq!(limit(1, 8, None), 1.0, "one worker, or the serial executor");
        assert_eq!((limit(4, 8, None), limit(16, 8, None)), (4.0, 8.0));
        assert_eq!((limit(4, 8, Some(1)), limit(4, 8, Some(6))), (1.0, 4.0), "round trips");
        assert_eq!(limit(0, 0, Some(0)), 1.0);
    }

    #[test]
    fn five_percent_above_the_limit_is_possible() {
        assert!(is_possible(vec![2.1; 5], 2.0));
        assert!(!is_possible(vec![2.11; 5], 2.0));
        assert!(!is_possible(vec![1.06], 1.0), "one round counts as it is");
    }

    #[test]
    fn a_spread_that_reaches_down_to_the_limit_is_possible() {
        assert!(is_possible(vec![1.9, 2.0, 3.0, 3.5, 4.0], 2.0), "a quarter of the rounds is possible");
        assert!(
            !is_possible(vec![1.9, 2.2, 3.0, 3.5, 4.0], 2.0),
            "less than a quarter of the rounds is possible"
        );
        assert!(is_possible(vec![0.1, 2.0, 9.0], 2.0), "with three rounds the lowest counts");
    }

    #[test]
    fn an_empty_series_is_possible() {
        assert!(is_possible(vec![], 1.0));
        assert!(!is_possible(vec![f64::INFINITY], 1.0));
    }
}
