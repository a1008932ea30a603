//! Prints the report as a Markdown table.

use std::fmt::Write;

use crate::report::{Figure, Report, Row};

/// Returns the lines above the rows.
pub(crate) fn head(report: &Report) -> String {
    let Report { cores, processor, load, rounds, .. } = report;
    let medians = if *rounds == 1 { "1 round".to_owned() } else { format!("medians of {rounds} rounds") };
    let mut head = format!("{cores} cores, {processor}, load {:.2}; {medians}\n", load[0]);
    if report.quick {
        head.push_str("quick: smaller numbers, not comparable with the text\n");
    }
    if load[0] > 0.5 {
        head.push_str("the machine is loaded: the figures are less reliable\n");
    }
    let python = match (&report.python, &report.python_missing) {
        (Some(version), _) => format!("Python {version}"),
        (None, reason) => format!("MISSING Python: {}", reason.as_deref().unwrap_or("unknown")),
    };
    head + &python + "\n\n" + &columns()
}

fn columns() -> String {
    line(["experiment", "how", "printed in the text", "Rust here", "Python here"])
        + &line([&"-".repeat(19), &"-".repeat(48), &right(19), &right(10), &right(11)])
}

/// Returns the delimiter of a right-aligned column.
fn right(width: usize) -> String {
    "-".repeat(width - 1) + ":"
}

/// Returns the rows of one experiment, with its name in the first of them.
pub(crate) fn rows(rows: &[Row]) -> String {
    let name = |place| if place == 0 { rows[0].experiment } else { "" };
    let here = |figure: &Option<Figure>| figure.as_ref().map_or("missing".to_owned(), |f| seconds(f.median));
    rows.iter().enumerate().fold(String::new(), |text, (place, row)| {
        let printed = row.printed.map_or("-".to_owned(), |printed| format!("{printed:.3} s"));
        text + &line([name(place), &row.how, &printed, &here(&row.rust), &here(&row.python)])
    })
}

fn line([experiment, how, printed, rust, python]: [&str; 5]) -> String {
    let mut line = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(line, "| {experiment:<19} | {how:<48} | {printed:>19} | {rust:>10} | {python:>11} |");
    line
}

/// Formats a time with its significant digits.
fn seconds(time: f64) -> String {
    match time {
        0.1.. => format!("{time:.3} s"),
        0.001.. => format!("{time:.4} s"),
        _ => format!("{time:.6} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_or_four() {
        assert_eq!(
            [1.04, 0.1, 0.0312, 0.000_05].map(seconds),
            ["1.040 s", "0.100 s", "0.0312 s", "0.000050 s"]
        );
    }

    #[test]
    fn experiments_are_named_once_and_missing_times_are_marked() {
        let row = |how: &str| Row {
            experiment: "gcd",
            how: how.to_owned(),
            printed: None,
            rust: Some(Figure { median: 1.0, least: 1.0, most: 1.0 }),
            python: None,
        };
        let text = rows(&[row("in series"), row("on threads")]);
        assert_eq!(text.matches("gcd").count(), 1);
        assert_eq!(text.matches("missing").count(), 2);
    }
}
