//! The break-even: the grain from which worker processes are faster than the plain loop.

use crate::report::{ExecutorName, Report, Sweep};

/// Grain from which worker processes are faster than the plain loop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BreakEven {
    /// Processes are slower at every measured grain.
    Never,
    /// Processes are faster at the smallest measured grain already, which is this one in nanoseconds.
    Always(f64),
    /// Processes become faster at about this grain in nanoseconds, between two measured ones.
    At(f64),
}

impl BreakEven {
    /// Break-even of the sweep over grains, without suspect rows; `None` if there are no rows.
    #[must_use]
    pub fn of(report: &Report) -> Option<BreakEven> {
        let rows = report.rows.iter();
        let points = rows
            .filter(|row| {
                row.sweep == Sweep::Grain && row.executor == ExecutorName::Processes && !row.suspect
            })
            .map(|row| (row.grain_ns, row.speedup));
        BreakEven::between(points.collect())
    }

    /// Finds the first grain with a speedup above 1, and interpolates between it and the one before on
    /// logarithmic scales.
    fn between(mut points: Vec<(f64, f64)>) -> Option<BreakEven> {
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        let &(smallest, _) = points.first()?;
        Some(match points.iter().position(|&(_, speedup)| speedup > 1.0) {
            None => BreakEven::Never,
            Some(0) => BreakEven::Always(smallest),
            Some(place) => BreakEven::At(crossing(points[place - 1], points[place])),
        })
    }

    /// The break-even in nanoseconds, if it is between two points.
    #[must_use]
    pub fn ns(self) -> Option<f64> {
        match self {
            BreakEven::At(ns) => Some(ns),
            BreakEven::Never | BreakEven::Always(_) => None,
        }
    }
}

/// Grain at which the line between two points has a speedup of 1.
fn crossing((below_ns, below): (f64, f64), (above_ns, above): (f64, f64)) -> f64 {
    let part = -below.ln() / (above.ln() - below.ln());
    (below_ns.ln() + part * (above_ns.ln() - below_ns.ln())).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn suspect_rows_are_left_out() {
        let mut report = samples::report();
        assert!(matches!(BreakEven::of(&report), Some(BreakEven::At(_))));
        let processes = |row: &&mut crate::report::Row| row.executor == ExecutorName::Processes;
        let grains = report.rows.iter_mut().filter(|row| row.sweep == Sweep::Grain).filter(processes);
        grains.for_each(|row| (row.suspect, row.speedup) = (row.grain_ns < 1e3, 5.0));
        assert_eq!(BreakEven::of(&report), Some(BreakEven::Always(1e3)));
        report.rows.iter_mut().for_each(|row| row.suspect = true);
        assert_eq!(BreakEven::of(&report), None);
    }

    #[test]
    fn the_break_even_is_interpolated_between_two_points() {
        // The speedup below is 1/10 and the one above 100: a third of the way, in powers of ten.
        let points = vec![(1e6, 2.0), (1e3, 0.1), (1e5, 100.0), (1e2, 0.01)];
        let Some(BreakEven::At(ns)) = BreakEven::between(points) else {
            panic!("no break-even between two points")
        };
        assert!((ns.log10() - (3.0 + 2.0 / 3.0)).abs() < 1e-9, "{ns}");
    }

    #[test]
    fn a_speedup_of_one_is_not_faster() {
        assert_eq!(BreakEven::between(vec![(1e2, 1.0), (1e3, 1.0)]), Some(BreakEven::Never));
        let ns = BreakEven::between(vec![(1e2, 1.0), (1e3, 2.0)]).and_then(BreakEven::ns);
        assert!(ns.is_some_and(|ns| (ns - 100.0).abs() < 1e-9), "{ns:?}");
    }

    #[test]
    fn the_break_even_may_be_outside_the_measured_range() {
        assert_eq!(BreakEven::between(vec![]), None);
        assert_eq!(BreakEven::between(vec![(1e2, 0.1), (1e3, 0.9)]), Some(BreakEven::Never));
        let always = BreakEven::between(vec![(1e3, 1.8), (1e2, 1.1)]);
        assert_eq!((always, always.and_then(BreakEven::ns)), (Some(BreakEven::Always(1e2)), None));
    }
}
