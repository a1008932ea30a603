//! Prints the results as Markdown tables.

use std::fmt::Write;

use peers::{machine, rounds::Series};

use crate::{numbers::Kind, pipelines::Text};

/// Returns the lines above the first table.
pub(crate) fn head(rounds: usize, no_pari: Option<&String>, no_factor: Option<&String>) -> String {
    let mut head =
        format!("{}, load {:.2}; medians of {rounds} rounds\n", machine::processor(), machine::load());
    for reason in [no_pari, no_factor].into_iter().flatten() {
        // Writing to a string does not fail.
        let _ = writeln!(head, "MISSING {reason}");
    }
    head + "\n| numbers, one core | count | runner | median number | PARI | factor | PARI / runner |\n\
            |---|---:|---:|---:|---:|---:|---:|"
}

/// Returns a line of the first table: the median over the rounds of the mean time per number.
pub(crate) fn kernel(kind: &Kind, rounds: usize, series: &[Series], middle: f64) -> String {
    let find = |name: &str| series.iter().find(|series| series.name == name);
    let figure = |name| find(name).map_or("-".to_owned(), |series| format!("{:.1} us", series.median()));
    let ratio = find("PARI")
        .zip(find("runner"))
        .map_or("-".to_owned(), |(pari, ours)| format!("{:.2}", pari.against(ours)));
    format!(
        "| {} | {} | {} | {middle:.1} us | {} | {} | {ratio} |",
        kind.name,
        rounds * kind.per_round,
        figure("runner"),
        figure("PARI"),
        figure("factor"),
    )
}

/// Returns the head of the second table.
pub(crate) fn pipelines_head() -> &'static str {
    "\n| numbers, all cores | runner factor | factor | factor / runner factor |\n|---|---:|---:|---:|"
}

/// Returns a line of the second table.
pub(crate) fn pipeline(text: &Text, series: &[Series]) -> String {
    let [ours, theirs] = series else { return String::new() };
    format!(
        "| {} | {:.3} s | {:.3} s | {:.2} |",
        text.name,
        ours.median(),
        theirs.median(),
        theirs.against(ours)
    )
}
