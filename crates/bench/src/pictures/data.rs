//! Selects data of a report for pictures: rows of a sweep as points, and groups of rows of one grain.

use super::chart::{Chart, Dot, Line};
use super::draw::Shape;
use super::palette;
use super::scale::drawable;
use super::units;
use crate::report::{ExecutorName, Report, Row, Sweep};

/// Ratio below which two grains are measurements of the same nominal grain.
const SAME_GRAIN: f64 = 1.3;

/// Rows of a sweep, of one executor.
pub(super) fn rows(report: &Report, sweep: Sweep, executor: ExecutorName) -> Vec<&Row> {
    report.rows.iter().filter(|row| row.sweep == sweep && row.executor == executor).collect()
}

/// Rows of a sweep.
pub(super) fn all_rows(report: &Report, sweep: Sweep) -> Vec<&Row> {
    report.rows.iter().filter(|row| row.sweep == sweep).collect()
}

/// Distinct names in rows, in the order in which they were measured.
pub(super) fn names<'a>(rows: Vec<&'a Row>, name: impl Fn(&'a Row) -> &'a str) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        if !names.contains(&name(row)) {
            names.push(name(row));
        }
    }
    names
}

/// Point with the speedup of a row, at `x` on the lower axis; `None` if it cannot be drawn.
pub(super) fn speedup(row: &Row, x: f64) -> Option<Dot> {
    if !drawable(x) || !drawable(row.speedup) {
        return None;
    }
    // Time for the same work in the plain loop.
    let loop_ns = row.speedup * row.ns_per_job.median;
    let spread = ends(loop_ns / row.ns_per_job.high, loop_ns / row.ns_per_job.low);
    let range = spread.map_or_else(String::new, |(low, high)| {
        format!(" ({} to {})", units::ratio(low), units::ratio(high))
    });
    let suspect = if row.suspect { "; suspect" } else { "" };
    let note = format!("{}, {}: speedup {}{range}{suspect}", name(row), work(row), units::ratio(row.speedup));
    Some(Dot { x, y: row.speedup, spread, suspect: row.suspect, note })
}

/// Speedup of a row for a table, prefixed with `*` if the row is suspect.
pub(super) fn marked_ratio(row: &Row) -> String {
    if row.suspect { "*" } else { "" }.to_owned() + &units::ratio(row.speedup)
}

/// Sentence that explains hollow marks; empty if the chart has none.
pub(super) fn hollow(chart: &Chart) -> &'static str {
    if !chart.has_suspects() {
        return "";
    }
    " Hollow marks are suspect: more than workers and cores allow, also when measured again."
}

/// Point with the time for a job of a row, at `x` on the lower axis; `None` if it cannot be drawn. Suspect
/// rows are drawn like any other, because the plain loop does not affect the time.
pub(super) fn cost(row: &Row, x: f64, what: &str) -> Option<Dot> {
    let time = &row.ns_per_job;
    if !drawable(x) || !drawable(time.median) {
        return None;
    }
    let spread = ends(time.low, time.high);
    let range = spread
        .map_or_else(String::new, |(low, high)| format!(" ({} to {})", units::time(low), units::time(high)));
    Some(Dot {
        x,
        y: time.median,
        spread,
        suspect: false,
        note: format!("{what}: {} a job{range}", units::time(time.median)),
    })
}

fn ends(one: f64, other: f64) -> Option<(f64, f64)> {
    (drawable(one) && drawable(other)).then(|| (one.min(other), one.max(other)))
}

/// Name of an executor.
pub(super) fn executor(name: ExecutorName) -> &'static str {
    match name {
        ExecutorName::Serial => "serial",
        ExecutorName::Threads => "threads",
        ExecutorName::Processes => "processes",
    }
}

fn name(row: &Row) -> String {
    match row.executor {
        ExecutorName::Serial => "serial".into(),
        several => format!("{} {}", row.workers, executor(several)),
    }
}

fn work(row: &Row) -> String {
    format!("{} of work", units::time(row.grain_ns))
}

/// Predicted speedup of a row.
pub(super) fn predicted(row: &Row) -> Option<f64> {
    let speedup = row.speedup * row.ns_per_job.median / row.predicted_ns?;
    drawable(speedup).then_some(speedup)
}

/// A line for each name that has points, each in its own style; at most as many as there are styles.
pub(super) fn lines(names: Vec<&str>, dots: impl Fn(&str) -> Vec<Dot>) -> Vec<Line> {
    let found = names.into_iter().map(|name| (name, dots(name))).filter(|(_, dots)| !dots.is_empty());
    let styles = palette::LINES.into_iter().zip(Shape::ALL.into_iter().cycle());
    found
        .zip(styles)
        .map(|((name, dots), (colour, shape))| Line {
            name: name.into(),
            colour,
            shape: Some(shape),
            dash: "",
            dots,
        })
        .collect()
}

/// Sorts points from left to right.
pub(super) fn ascending(dots: impl IntoIterator<Item = Dot>) -> Vec<Dot> {
    let mut dots: Vec<Dot> = dots.into_iter().collect();
    dots.sort_by(|one, other| one.x.total_cmp(&other.x));
    dots
}

/// Returns whether two grains are measurements of the same nominal grain.
pub(super) fn same_grain(one: f64, other: f64) -> bool {
    one.max(other) / one.min(other) < SAME_GRAIN
}

/// Rows with about the same work in a job.
pub(super) struct GrainGroup<'a> {
    /// Work in a job, in nanoseconds.
    pub(super) grain_ns: f64,
    /// Rows with this work.
    pub(super) rows: Vec<&'a Row>,
}

/// Groups rows by the work in a job, in ascending order.
pub(super) fn by_grain<'a>(mut rows: Vec<&'a Row>) -> Vec<GrainGroup<'a>> {
    rows.retain(|row| drawable(row.grain_ns));
    rows.sort_by(|one, other| one.grain_ns.total_cmp(&other.grain_ns));
    let mut groups: Vec<GrainGroup<'a>> = Vec::new();
    for row in rows {
        match groups.last_mut() {
            Some(group) if same_grain(group.grain_ns, row.grain_ns) => group.rows.push(row),
            _ => groups.push(GrainGroup { grain_ns: row.grain_ns, rows: vec![row] }),
        }
    }
    for group in &mut groups {
        group.grain_ns = group.rows[group.rows.len() / 2].grain_ns;
    }
    groups
}

/// Values that the left axis has to include.
pub(super) fn heights(dots: &[Dot]) -> impl Iterator<Item = f64> {
    dots.iter().flat_map(|dot| {
        let (low, high) = dot.spread.unwrap_or((dot.y, dot.y));
        [low, dot.y, high]
    })
}

/// Sentence about lines that are left out, because there are only as many as distinguishable colours.
pub(super) fn left_out(drawn: usize, all: usize) -> String {
    if drawn >= all {
        return String::new();
    }
    format!(" Only the first {} of {all} are drawn; the table has the values of all.", units::word(drawn))
}
