//! The sweep over numbers of workers.

use crate::{
    candidate::Candidate,
    point::{Point, US},
    report::Sweep,
    settings::Settings,
};

/// Up to twice the default number of workers, for jobs of several grains.
pub(super) fn points(settings: &Settings) -> Vec<Point> {
    let grains: &[f64] =
        if settings.quick { &[US, 100.0 * US] } else { &[US, 10.0 * US, 100.0 * US, 1000.0 * US] };
    let counts = counts(settings.workers, settings.quick);
    let point = |grain_ns, workers| Point {
        sweep: Sweep::Workers,
        grain_ns,
        bytes: 0,
        // One candidate per point: pools of all sizes at once would exceed the usual limit on open file
        // descriptors.
        candidates: vec![Candidate::processes(workers)],
    };
    grains.iter().flat_map(|&grain| counts.iter().map(move |&workers| point(grain, workers))).collect()
}

/// Every number up to 8, then steps of 3/2 and 4/3 in turn; powers of two for a quick measurement.
fn counts(workers: usize, quick: bool) -> Vec<usize> {
    let max = (2 * workers).clamp(4, pool::settings::MAX_WORKERS);
    let step = |&count: &usize| match count {
        _ if quick => Some(2 * count),
        1..8 => Some(count + 1),
        _ if count.is_power_of_two() => Some(count / 2 * 3),
        _ => Some(count / 3 * 4),
    };
    let mut counts: Vec<usize> =
        std::iter::successors(Some(1), step).take_while(|&count| count < max).chain([workers, max]).collect();
    counts.sort_unstable();
    counts.dedup();
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_include_the_default_and_go_beyond_it() {
        assert_eq!(counts(2, false), [1, 2, 3, 4]);
        assert_eq!(counts(1, true), [1, 2, 4]);
        assert_eq!(counts(6, true), [1, 2, 4, 6, 8, 12]);
        assert_eq!(counts(20, false), [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 40]);
        assert_eq!(counts(1024, true).last(), Some(&1024));
    }
}
