//! The sweep over the work in a job, for each executor.

use crate::{candidate::Candidate, point::Point, report::Sweep, settings::Settings};

/// Grains from far below the cost of a worker process to far above it; decades only for a quick measurement.
pub(super) fn points(settings: &Settings) -> Vec<Point> {
    let workers = settings.workers;
    let point = |grain_ns| Point {
        sweep: Sweep::Grain,
        grain_ns,
        bytes: 0,
        candidates: vec![Candidate::serial(), Candidate::threads(workers), Candidate::processes(workers)],
    };
    grains(settings.quick).into_iter().map(point).collect()
}

/// 100 ns to 100 ms, or to 10 ms for a quick measurement.
fn grains(quick: bool) -> Vec<f64> {
    let (steps, last): (&[f64], _) = if quick { (&[1.0], 7) } else { (&[1.0, 2.0, 5.0], 8) };
    let decade = |power| steps.iter().map(move |step| step * 10_f64.powi(power));
    (2..last).flat_map(decade).chain([10_f64.powi(last)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grains_are_decades_or_steps_of_one_two_and_five() {
        assert_eq!(grains(true), [1e2, 1e3, 1e4, 1e5, 1e6, 1e7]);
        let all = grains(false);
        assert_eq!((all.len(), all[..5].to_vec(), all[18]), (19, vec![1e2, 2e2, 5e2, 1e3, 2e3], 1e8));
    }
}
