//! What pictures need of a report: rows of a sweep as points, and rows of one grain together.

use super::chart::{Chart, Dot, Line};
use super::draw::Shape;
use super::ink;
use super::scale::drawable;
use super::units;
use crate::report::{ExecutorName, Report, Row, Sweep};

/// Grains that differ by less are the same one, measured anew.
const SAME_GRAIN: f64 = 1.3;

/// The rows of a sweep that an executor ran.
pub(super) fn rows(report: &Report, sweep: Sweep, executor: ExecutorName) -> Vec<&Row> {
    report.rows.iter().filter(|row| row.sweep == sweep && row.executor == executor).collect()
}

/// The rows of a sweep.
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

/// How many times faster than no executor a row is, at some place of the lower axis; nothing if it cannot be drawn.
pub(super) fn speedup(row: &Row, x: f64) -> Option<Dot> {
    if !drawable(x) || !drawable(row.speedup) {
        return None;
    }
    // What the same work took without an executor.
    let alone = row.speedup * row.ns_per_job.median;
    let spread = ends(alone / row.ns_per_job.high, alone / row.ns_per_job.low);
    let range = spread.map_or_else(String::new, |(low, high)| {
        format!(" ({} to {})", units::ratio(low), units::ratio(high))
    });
    let suspect = if row.suspect { "; suspect" } else { "" };
    let note =
        format!("{}, {}: {} times as fast{range}{suspect}", name(row), work(row), units::ratio(row.speedup));
    Some(Dot { x, y: row.speedup, spread, suspect: row.suspect, note })
}

/// Speedup of a row for a table, with `*` before it if the row is suspect.
pub(super) fn marked_ratio(row: &Row) -> String {
    if row.suspect { "*" } else { "" }.to_owned() + &units::ratio(row.speedup)
}

/// Explains hollow marks, if a chart has any.
pub(super) fn hollow(chart: &Chart) -> &'static str {
    if !chart.has_suspects() {
        return "";
    }
    " Hollow marks are suspect: more than workers and cores allow, also when measured again."
}

/// What a row's job took, at some place of the lower axis; nothing if it cannot be drawn. The plain loop has no part in
/// that, so a suspect row is a point like any other.
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

/// What an executor is called.
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

/// What the model says of a row, as a speedup.
pub(super) fn predicted(row: &Row) -> Option<f64> {
    let speedup = row.speedup * row.ns_per_job.median / row.predicted_ns?;
    drawable(speedup).then_some(speedup)
}

/// A line for each name that has dots, in a style of its own; as many as there are styles.
pub(super) fn lines(names: Vec<&str>, dots: impl Fn(&str) -> Vec<Dot>) -> Vec<Line> {
    let found = names.into_iter().map(|name| (name, dots(name))).filter(|(_, dots)| !dots.is_empty());
    let styles = ink::LINES.into_iter().zip(Shape::ALL.into_iter().cycle());
    found
        .zip(styles)
        .map(|((name, dots), (ink, shape))| Line {
            name: name.into(),
            ink,
            shape: Some(shape),
            dash: "",
            dots,
        })
        .collect()
}

/// From left to right.
pub(super) fn ascending(dots: impl IntoIterator<Item = Dot>) -> Vec<Dot> {
    let mut dots: Vec<Dot> = dots.into_iter().collect();
    dots.sort_by(|one, other| one.x.total_cmp(&other.x));
    dots
}

/// Whether two grains are meant to be the same.
pub(super) fn same_grain(one: f64, other: f64) -> bool {
    one.max(other) / one.min(other) < SAME_GRAIN
}

/// Rows with about the same work in a job.
pub(super) struct Group<'a> {
    /// That work, in nanoseconds.
    pub(super) grain_ns: f64,
    /// What was measured of it.
    pub(super) rows: Vec<&'a Row>,
}

/// Rows by the work in a job, from the least on.
pub(super) fn by_grain<'a>(mut rows: Vec<&'a Row>) -> Vec<Group<'a>> {
    rows.retain(|row| drawable(row.grain_ns));
    rows.sort_by(|one, other| one.grain_ns.total_cmp(&other.grain_ns));
    let mut groups: Vec<Group<'a>> = Vec::new();
    for row in rows {
        match groups.last_mut() {
            Some(group) if same_grain(group.grain_ns, row.grain_ns) => group.rows.push(row),
            _ => groups.push(Group { grain_ns: row.grain_ns, rows: vec![row] }),
        }
    }
    for group in &mut groups {
        group.grain_ns = group.rows[group.rows.len() / 2].grain_ns;
    }
    groups
}

/// The heights that a chart has to have room for.
pub(super) fn heights(dots: &[Dot]) -> impl Iterator<Item = f64> {
    dots.iter().flat_map(|dot| {
        let (low, high) = dot.spread.unwrap_or((dot.y, dot.y));
        [low, dot.y, high]
    })
}

/// What to say if not everything has a line of its own: more lines than colours could not be told apart.
pub(super) fn left_out(drawn: usize, all: usize) -> String {
    if drawn >= all {
        return String::new();
    }
    format!(" Only the first {} of {all} are drawn; the figures of all are below.", units::word(drawn))
}
