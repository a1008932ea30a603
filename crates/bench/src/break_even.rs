//! From which size of jobs on processes are worth it.

use crate::report::{ExecutorName, Report, Sweep};

/// Where worker processes become faster than the plain loop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BreakEven {
    /// At no grain that was measured.
    Never,
    /// At the smallest already, which is this one in nanoseconds.
    Always(f64),
    /// Between two of them, at about so many nanoseconds.
    At(f64),
}

impl BreakEven {
    /// Of the sweep over grains, without suspect rows; nothing if that was not measured.
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

    /// Of grains and their speedups: the first grain from which the work is done faster, interpolated on logarithmic scales.
    fn between(mut points: Vec<(f64, f64)>) -> Option<BreakEven> {
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        let &(smallest, _) = points.first()?;
        Some(match points.iter().position(|&(_, speedup)| speedup > 1.0) {
            None => BreakEven::Never,
            Some(0) => BreakEven::Always(smallest),
            Some(place) => BreakEven::At(crossing(points[place - 1], points[place])),
        })
    }

    /// In nanoseconds, if it lies between two points.
    #[must_use]
    pub fn ns(self) -> Option<f64> {
        match self {
            BreakEven::At(ns) => Some(ns),
            BreakEven::Never | BreakEven::Always(_) => None,
        }
    }
}

/// Where the line between two points passes a speedup of 1.
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
    fn it_lies_where_the_line_between_two_points_passes_one() {
        // Half as far below as above, in powers of ten: a third of the way.
        let points = vec![(1e6, 2.0), (1e3, 0.1), (1e5, 100.0), (1e2, 0.01)];
        let Some(BreakEven::At(ns)) = BreakEven::between(points) else { panic!("it lies between") };
        assert!((ns.log10() - (3.0 + 2.0 / 3.0)).abs() < 1e-9, "{ns}");
    }

    #[test]
    fn a_point_on_the_line_is_not_faster() {
        assert_eq!(BreakEven::between(vec![(1e2, 1.0), (1e3, 1.0)]), Some(BreakEven::Never));
        let ns = BreakEven::between(vec![(1e2, 1.0), (1e3, 2.0)]).and_then(BreakEven::ns);
        assert!(ns.is_some_and(|ns| (ns - 100.0).abs() < 1e-9), "{ns:?}");
    }

    #[test]
    fn it_may_lie_outside_of_what_was_measured() {
        assert_eq!(BreakEven::between(vec![]), None);
        assert_eq!(BreakEven::between(vec![(1e2, 0.1), (1e3, 0.9)]), Some(BreakEven::Never));
        let always = BreakEven::between(vec![(1e3, 1.8), (1e2, 1.1)]);
        assert_eq!((always, always.and_then(BreakEven::ns)), (Some(BreakEven::Always(1e2)), None));
    }
}
