//! The question of a report and its answer: from which jobs on do processes pay, and how much.

use super::data;
use super::scale::drawable;
use super::units;
use crate::report::{ExecutorName, Report, Row, Sweep};

/// Such a part of the best is about as good as the best.
const GOOD: f64 = 0.95;

/// From which work in a job on processes are faster than none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum BreakEven {
    /// From so many nanoseconds on; lies between two jobs that were measured.
    Measured(f64),
    /// From so many nanoseconds on, as the model says.
    Predicted(f64),
    /// Whatever was measured, the least being so many nanoseconds.
    Always(f64),
    /// Nowhere, the most being so many nanoseconds.
    Never(f64),
    /// The figures do not say.
    Unknown,
}

impl BreakEven {
    /// Where to mark it.
    pub(super) fn place(self) -> Option<f64> {
        match self {
            BreakEven::Measured(ns) | BreakEven::Predicted(ns) => Some(ns),
            _ => None,
        }
    }
}

/// Rows of processes for which the work in a job was varied, from the least on, without suspect ones.
fn processes(report: &Report) -> Vec<&Row> {
    let mut rows = data::rows(report, Sweep::Grain, ExecutorName::Processes);
    rows.retain(|row| drawable(row.speedup) && drawable(row.grain_ns) && !row.suspect);
    rows.sort_by(|one, other| one.grain_ns.total_cmp(&other.grain_ns));
    rows
}

/// From which jobs on processes pay.
pub(super) fn break_even(report: &Report) -> BreakEven {
    let rows = processes(report);
    let model = report.model.as_ref();
    if let Some(ns) = model.and_then(|model| model.measured_break_even_ns).filter(|ns| drawable(*ns)) {
        return BreakEven::Measured(ns);
    }
    if let (Some(first), Some(last)) = (rows.first(), rows.last()) {
        if rows.iter().all(|row| row.speedup > 1.0) {
            return BreakEven::Always(first.grain_ns);
        }
        if rows.iter().all(|row| row.speedup <= 1.0) {
            return BreakEven::Never(last.grain_ns);
        }
    }
    model
        .map(|model| model.break_even_ns)
        .filter(|ns| drawable(*ns))
        .map_or(BreakEven::Unknown, BreakEven::Predicted)
}

/// The answer in one or two sentences; nothing if processes were not measured at several sizes of jobs.
pub(super) fn sentence(report: &Report) -> Option<String> {
    let best = best(&processes(report))?;
    let they = if report.workers == 1 { "it is" } else { "they are" };
    Some(format!(
        "{} At best {they} {} times as fast, with jobs of {}.",
        from(report),
        units::ratio(best.speedup),
        units::about(best.grain_ns)
    ))
}

/// The row with the highest speedup.
fn best<'a>(rows: &[&'a Row]) -> Option<&'a Row> {
    rows.iter().copied().max_by(|one, other| one.speedup.total_cmp(&other.speedup))
}

/// From which jobs on, in a sentence.
fn from(report: &Report) -> String {
    let who = subject(report.workers);
    let large = units::sentence(&who);
    let be = if report.workers == 1 { "is" } else { "are" };
    match break_even(report) {
        BreakEven::Measured(ns) => {
            format!("From jobs of {} on, {who} {be} faster than none.", units::time(ns))
        }
        BreakEven::Predicted(ns) => {
            format!("By the model, {who} {be} faster than none from jobs of {} on.", units::time(ns))
        }
        BreakEven::Always(ns) => {
            format!("{large} {be} faster than none for all jobs measured, from {} on.", units::time(ns))
        }
        BreakEven::Never(ns) => {
            format!("{large} {be} never faster than none, up to jobs of {}.", units::time(ns))
        }
        BreakEven::Unknown => "The figures do not say from which jobs on processes pay.".into(),
    }
}

/// What the curve says beside the answer: when processes are about as good as they get, and what the model thought.
pub(super) fn details(report: &Report) -> String {
    let rows = processes(report);
    let Some(best) = best(&rows) else { return String::new() };
    let mut said = String::new();
    // From there on without exception, not by one lucky round.
    let good = rows.iter().rev().take_while(|row| row.speedup >= best.speedup * GOOD).last();
    if let Some(row) = good.filter(|row| rows.len() > 2 && row.grain_ns < best.grain_ns) {
        let they = if report.workers == 1 { "It comes" } else { "They come" };
        said =
            format!(" {they} within a twentieth of the best from jobs of {} on.", units::about(row.grain_ns));
    }
    let predicted = report.model.as_ref().map(|model| model.break_even_ns).filter(|ns| drawable(*ns));
    if let (BreakEven::Measured(_), Some(ns)) = (break_even(report), predicted) {
        said += &format!(" The model puts the break-even at {}.", units::time(ns));
    }
    from(report) + &said
}

/// So many processes, in words.
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
        assert_eq!(break_even(&report), BreakEven::Measured(200.0));
        report.model.as_mut().unwrap().measured_break_even_ns = None;
        assert_eq!(break_even(&report), BreakEven::Predicted(200.0));
        report.model = None;
        assert_eq!(break_even(&report), BreakEven::Unknown);
    }

    #[test]
    fn all_on_one_side_is_an_answer_too() {
        let mut report = fixture();
        report.model = None;
        for row in &mut report.rows {
            row.speedup = 1.5;
        }
        assert_eq!(break_even(&report), BreakEven::Always(100.0));
        for row in &mut report.rows {
            row.speedup = 0.5;
        }
        assert_eq!(break_even(&report), BreakEven::Never(1e8));
        assert_eq!(
            sentence(&report).unwrap(),
            "Two processes are never faster than none, up to jobs of 100 ms. At best they are 0.50 times as fast, \
             with jobs of 100 ms."
        );
    }

    #[test]
    fn suspect_rows_are_no_part_of_the_answer() {
        let mut report = fixture();
        let said = (sentence(&report), details(&report));
        let mut row = report.rows.iter().find(|row| row.executor == ExecutorName::Processes).unwrap().clone();
        (row.grain_ns, row.speedup, row.suspect) = (5e4, 3.0, true);
        report.rows.push(row);
        assert_eq!((sentence(&report), details(&report)), said);
        report.rows.iter_mut().for_each(|row| row.suspect = true);
        assert_eq!((sentence(&report), details(&report)), (None, String::new()));
    }

    #[test]
    fn nothing_measured_is_no_answer() {
        let mut report = fixture();
        report.rows.clear();
        assert_eq!(sentence(&report), None);
    }
}
