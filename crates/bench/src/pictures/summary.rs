//! The summary of a report: the break-even of worker processes and their best speedup.

use super::data;
use super::scale::drawable;
use super::units;
use crate::report::{ExecutorName, Report, Row, Sweep};

/// Fraction of the best speedup that counts as almost the best.
const NEAR_BEST: f64 = 0.95;

/// Break-even of the processes, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum BreakEvenFinding {
    /// Measured, in nanoseconds: between two measured grains.
    Measured(f64),
    /// Predicted by the model, in nanoseconds.
    Predicted(f64),
    /// Processes are faster at every measured grain; the smallest, in nanoseconds.
    Always(f64),
    /// Processes are slower at every measured grain; the largest, in nanoseconds.
    Never(f64),
    /// The report has too few rows, and no model.
    Unknown,
}

impl BreakEvenFinding {
    /// The break-even in nanoseconds, if there is one.
    pub(super) fn ns(self) -> Option<f64> {
        match self {
            BreakEvenFinding::Measured(ns) | BreakEvenFinding::Predicted(ns) => Some(ns),
            _ => None,
        }
    }
}

/// Rows of processes in the sweep over grains, in ascending order, without suspect ones.
fn processes(report: &Report) -> Vec<&Row> {
    let mut rows = data::rows(report, Sweep::Grain, ExecutorName::Processes);
    rows.retain(|row| drawable(row.speedup) && drawable(row.grain_ns) && !row.suspect);
    rows.sort_by(|one, other| one.grain_ns.total_cmp(&other.grain_ns));
    rows
}

/// Break-even of a report.
pub(super) fn break_even(report: &Report) -> BreakEvenFinding {
    let rows = processes(report);
    let model = report.model.as_ref();
    if let Some(ns) = model.and_then(|model| model.measured_break_even_ns).filter(|ns| drawable(*ns)) {
        return BreakEvenFinding::Measured(ns);
    }
    if let (Some(first), Some(last)) = (rows.first(), rows.last()) {
        if rows.iter().all(|row| row.speedup > 1.0) {
            return BreakEvenFinding::Always(first.grain_ns);
        }
        if rows.iter().all(|row| row.speedup <= 1.0) {
            return BreakEvenFinding::Never(last.grain_ns);
        }
    }
    model
        .map(|model| model.break_even_ns)
        .filter(|ns| drawable(*ns))
        .map_or(BreakEvenFinding::Unknown, BreakEvenFinding::Predicted)
}

/// Summary in one or two sentences; `None` if the sweep over grains was not measured with processes.
pub(super) fn sentence(report: &Report) -> Option<String> {
    let best = best(&processes(report))?;
    Some(format!(
        "{} The best speedup is {}, with jobs of {}.",
        break_even_sentence(report),
        units::ratio(best.speedup),
        units::about(best.grain_ns)
    ))
}

/// The row with the highest speedup.
fn best<'a>(rows: &[&'a Row]) -> Option<&'a Row> {
    rows.iter().copied().max_by(|one, other| one.speedup.total_cmp(&other.speedup))
}

/// The break-even in a sentence.
fn break_even_sentence(report: &Report) -> String {
    let name = subject(report.workers);
    let capitalized = units::sentence(&name);
    let be = if report.workers == 1 { "is" } else { "are" };
    match break_even(report) {
        BreakEvenFinding::Measured(ns) => {
            format!("{capitalized} {be} faster than a plain loop from jobs of {} on.", units::time(ns))
        }
        BreakEvenFinding::Predicted(ns) => {
            format!("By the model, {name} {be} faster than a plain loop from jobs of {} on.", units::time(ns))
        }
        BreakEvenFinding::Always(ns) => {
            let smallest = units::time(ns);
            format!("{capitalized} {be} faster than a plain loop for all measured jobs, from {smallest} on.")
        }
        BreakEvenFinding::Never(ns) => {
            format!("{capitalized} {be} never faster than a plain loop, up to jobs of {}.", units::time(ns))
        }
        BreakEvenFinding::Unknown => "The measurements do not show a break-even.".into(),
    }
}

/// Text below the picture: the break-even, the grain from which the speedup is almost the best, and the
/// prediction.
pub(super) fn details(report: &Report) -> String {
    let rows = processes(report);
    let Some(best) = best(&rows) else { return String::new() };
    let mut text = String::new();
    // All larger grains have to be as good, so that one lucky round does not count.
    let good = rows.iter().rev().take_while(|row| row.speedup >= best.speedup * NEAR_BEST).last();
    if let Some(row) = good.filter(|row| rows.len() > 2 && row.grain_ns < best.grain_ns) {
        text =
            format!(" From jobs of {} on the speedup is within 5 % of the best.", units::about(row.grain_ns));
    }
    let predicted = report.model.as_ref().map(|model| model.break_even_ns).filter(|ns| drawable(*ns));
    if let (BreakEvenFinding::Measured(_), Some(ns)) = (break_even(report), predicted) {
        text += &format!(" The model predicts a break-even at {}.", units::time(ns));
    }
    break_even_sentence(report) + &text
}

/// "one process", "two processes" and so on.
pub(super) fn subject(workers: usize) -> String {
    format!("{} {}", units::word(workers), if workers == 1 { "process" } else { "processes" })
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture;
    use super::*;

    #[test]
    fn a_measured_break_even_comes_first() {
        let mut report = fixture();
        assert_eq!(break_even(&report), BreakEvenFinding::Measured(200.0));
        report.model.as_mut().unwrap().measured_break_even_ns = None;
        assert_eq!(break_even(&report), BreakEvenFinding::Predicted(200.0));
        report.model = None;
        assert_eq!(break_even(&report), BreakEvenFinding::Unknown);
    }

    #[test]
    fn all_rows_on_one_side_are_reported() {
        let mut report = fixture();
        report.model = None;
        for row in &mut report.rows {
            row.speedup = 1.5;
        }
        assert_eq!(break_even(&report), BreakEvenFinding::Always(100.0));
        for row in &mut report.rows {
            row.speedup = 0.5;
        }
        assert_eq!(break_even(&report), BreakEvenFinding::Never(1e8));
        assert_eq!(
            sentence(&report).unwrap(),
            "Two processes are never faster than a plain loop, up to jobs of 100 ms. The best speedup is \
             0.50, with jobs of 100 ms."
        );
    }

    #[test]
    fn suspect_rows_are_ignored() {
        let mut report = fixture();
        let expected = (sentence(&report), details(&report));
        let mut row = report.rows.iter().find(|row| row.executor == ExecutorName::Processes).unwrap().clone();
        (row.grain_ns, row.speedup, row.suspect) = (5e4, 3.0, true);
        report.rows.push(row);
        assert_eq!((sentence(&report), details(&report)), expected);
        report.rows.iter_mut().for_each(|row| row.suspect = true);
        assert_eq!((sentence(&report), details(&report)), (None, String::new()));
    }

    #[test]
    fn an_empty_report_has_no_summary() {
        let mut report = fixture();
        report.rows.clear();
        assert_eq!(sentence(&report), None);
    }
}
