//! Prints the results as Markdown tables.

use std::fmt::Write;

use peers::machine;

use crate::{
    args::Args,
    comparison::{Comparison, Line},
    python::{Missing, Peer},
};

/// Returns the lines above the tables; `load` was measured before the benchmark started.
pub(crate) fn head(args: &Args, load: f64, server: &str) -> String {
    let medians =
        if args.rounds == 1 { "1 round".into() } else { format!("medians of {} rounds", args.rounds) };
    let (cores, processor) = (pool::settings::available_cores(), machine::processor());
    let mut head = format!("{cores} cores, {processor}, load {load:.2}; {server}; {medians}\n");
    if args.quick {
        head.push_str("quick: a hundredth of the jobs, so the figures are not meaningful\n");
    }
    if load > 0.5 {
        head.push_str("the machine is loaded: the figures are less reliable\n");
    }
    head
}

/// Returns the line for a peer: its version, or why it is missing.
pub(crate) fn peer(peer: &Result<Peer, Missing>) -> String {
    match peer {
        Ok(Peer { name, version, .. }) => format!("{name} {version}\n"),
        Err(Missing { name, reason }) => format!("MISSING {name}: {reason}\n"),
    }
}

/// Returns the table of a comparison.
pub(crate) fn comparison(comparison: &Comparison) -> String {
    let mut table = format!(
        "\n| {} | jobs | jobs/s | least to most | cluster / this | required | |\n\
         |---|---:|---:|---:|---:|---:|---|\n",
        comparison.what
    );
    for (place, line) in comparison.lines.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = writeln!(table, "{}", row(line, place == 0));
    }
    table
}

fn row(line: &Line, is_cluster: bool) -> String {
    let figures = &line.speeds.figures;
    let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let most = figures.iter().copied().fold(0.0, f64::max);
    let ratio = if is_cluster { "-".to_owned() } else { digits(line.ratio) };
    let (required, verdict) = match line.required {
        Some(required) => (format!(">= {required}"), if line.missed() { "MISSED" } else { "met" }),
        None => ("-".to_owned(), ""),
    };
    let (name, jobs, median) = (&line.speeds.name, line.jobs, line.speeds.median());
    let range = format!("{least:.0} to {most:.0}");
    format!("| {name} | {jobs} | {median:.0} | {range} | {ratio} | {required} | {verdict} |")
}

/// Formats a ratio with its significant digits.
fn digits(ratio: f64) -> String {
    match ratio {
        ..10.0 => format!("{ratio:.3}"),
        _ => format!("{ratio:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use peers::rounds::Series;

    use super::*;

    #[test]
    fn a_row_has_median_range_and_verdict() {
        let speeds = Series { name: "a peer".to_owned(), figures: vec![90.0, 110.4, 100.2] };
        let line = Line { jobs: 7, speeds, ratio: 0.89, required: Some(0.9) };
        assert_eq!(row(&line, false), "| a peer | 7 | 100 | 90 to 110 | 0.890 | >= 0.9 | MISSED |");
        let line = Line { ratio: 123.4, ..line };
        assert_eq!(row(&line, false), "| a peer | 7 | 100 | 90 to 110 | 123 | >= 0.9 | met |");
    }
}
