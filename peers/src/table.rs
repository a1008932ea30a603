//! Prints the report.

use std::fmt::Write;

use crate::report::{Figure, Goal, Relation, Report, Row, Verdict};

/// Returns the lines above the rows.
pub(crate) fn head(report: &Report) -> String {
    let Report { cores, processor, load, .. } = report;
    let mut head = format!("{cores} cores, {processor}, load {:.2}\n", load[0]);
    if report.quick {
        head.push_str("quick: smaller counts, so the figures are not meaningful\n");
    }
    if load[0] > 0.5 {
        head.push_str("the machine is loaded: figures and verdicts are less reliable\n");
    }
    head
}

/// Returns the lines of a row: the question, the goals, the results, and missing peers.
pub(crate) fn row(row: &Row) -> String {
    let mut lines = format!("\n{:<4}{}\n", row.number, row.what);
    row.goals.iter().for_each(|goal| line(&mut lines, &goal_line(goal)));
    row.contenders.iter().for_each(|figure| line(&mut lines, &figure_line(figure, row.unit)));
    for missing in &row.missing {
        line(&mut lines, &format!("MISSING {}: {}", missing.peer, missing.reason));
    }
    row.notes.iter().for_each(|note| line(&mut lines, &format!("({note})")));
    row.error.iter().for_each(|error| line(&mut lines, &format!("ERROR {error}")));
    lines
}

fn line(lines: &mut String, text: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(lines, "    {text}");
}

fn goal_line(goal: &Goal) -> String {
    let sign = match goal.relation {
        Relation::AtMost => "<=",
        Relation::AtLeast => ">=",
    };
    let verdict = match goal.verdict {
        Verdict::Missed => "MISSED",
        Verdict::MustMet => "must met",
        Verdict::AimMet => "aim met",
    };
    let got = format!("{} {}", number(goal.got), goal.unit);
    let wanted = format!("must {sign} {}, aim {sign} {}", number(goal.must), number(goal.aim));
    format!("=> {:<43} {got:>20}   {wanted:<30} {verdict}", goal.what)
}

fn figure_line(figure: &Figure, unit: &str) -> String {
    let median = format!("{} {unit}", number(figure.median));
    let range = match figure.rounds {
        1 => "1 round".to_owned(),
        rounds => format!("{} to {}, {rounds} rounds", number(figure.least), number(figure.most)),
    };
    format!("   {:<43} {median:>20}   {range}", figure.name)
}

/// Formats a number with three significant digits, or with all digits before the point.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 1000.0 => thousands(value.round() as i64),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => trimmed(&format!("{value:.1}")),
        _ => trimmed(&format!("{value:.3}")),
    }
}

fn trimmed(digits: &str) -> String {
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Groups digits by three.
fn thousands(value: i64) -> String {
    let digits = value.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits() {
        let shown = [0.0, 0.1234, 2.0, 1.05, 49.96, 123.4, 1_000_000.2].map(number);
        assert_eq!(shown, ["0", "0.123", "2", "1.05", "50", "123", "1,000,000"]);
    }
}
