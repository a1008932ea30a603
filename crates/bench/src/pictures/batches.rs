//! The picture of the sweep over sizes of batches: time for a job.

use super::chart::{Axis, Chart, Dot, Line};
use super::data::{self, GrainGroup};
use super::draw::Shape;
use super::palette;
use super::panel::{Panel, Sketch, Table};
use super::scale::{Domain, Kind};
use super::units;
use crate::report::{ExecutorName, Report, Row, Sweep};

/// The panel, if the size of batches was varied.
pub(super) fn panel(report: &Report) -> Option<Panel> {
    let rows = data::rows(report, Sweep::Batch, ExecutorName::Processes);
    let mut groups = data::by_grain(rows);
    groups.retain(|group| !dots(group).is_empty());
    let all = groups.len();
    groups.truncate(palette::LINES.len());
    let measured: Vec<Dot> = groups.iter().flat_map(dots).collect();
    if measured.is_empty() {
        return None;
    }
    let across = Domain::log(Kind::Doublings, measured.iter().map(|dot| dot.x));
    let mut lines: Vec<Line> = Vec::new();
    lines.extend(groups.iter().enumerate().filter_map(|(index, group)| choice(group, index, across)));
    let chosen = !lines.is_empty();
    lines.extend(groups.iter().enumerate().map(|(index, group)| line(group, index)));
    let heights: Vec<f64> =
        lines.iter().flat_map(|line| data::heights(&line.dots).collect::<Vec<_>>()).collect();
    let chart = Chart {
        x: Axis { title: "jobs in a batch".into(), domain: across, label: units::number },
        y: Axis {
            title: "time for a job".into(),
            domain: Domain::log(Kind::Decades, heights).with_room(),
            label: units::time,
        },
        level: None,
        landmark: None,
        lines,
    };
    Some(Panel {
        name: "batches",
        title: "Time for a job by the size of batches".into(),
        finding: groups.first().map(finding).unwrap_or_default(),
        reading: reading(chosen) + &data::left_out(groups.len(), all),
        sketch: Sketch::Chart(chart),
        table: table(report),
    })
}

fn dots(group: &GrainGroup<'_>) -> Vec<Dot> {
    let dot = |row: &&Row| {
        let batch = row.batch?;
        data::cost(row, batch as f64, &format!("batches of {batch}"))
    };
    data::ascending(group.rows.iter().filter_map(dot))
}

/// Time for a job where the pool chooses the size of batches.
fn chosen(group: &GrainGroup<'_>) -> Option<f64> {
    let row = group.rows.iter().find(|row| row.batch.is_none())?;
    data::cost(row, 1.0, "").map(|dot| dot.y)
}

fn line(group: &GrainGroup<'_>, index: usize) -> Line {
    Line {
        name: units::about(group.grain_ns),
        colour: palette::LINES[index % palette::LINES.len()],
        shape: Some(Shape::ALL[index % Shape::ALL.len()]),
        dash: "",
        dots: dots(group),
    }
}

fn choice(group: &GrainGroup<'_>, index: usize, across: Domain) -> Option<Line> {
    let height = chosen(group)?;
    let (low, high) = across.ends();
    let colour = palette::LINES[index % palette::LINES.len()];
    let dots = vec![Dot::bare(low, height), Dot::bare(high, height)];
    Some(Line { name: String::new(), colour, shape: None, dash: "6 4", dots })
}

fn reading(chosen: bool) -> String {
    let choice = if chosen { " Dashed lines show the time with the size that the pool chooses." } else { "" };
    format!(
        "Jobs are sent to a worker in batches. Lower is better; the label of a line is the work in a job. \
         Both axes are logarithmic.{choice}"
    )
}

/// Times of the smallest jobs, which gain most.
fn finding(group: &GrainGroup<'_>) -> String {
    let dots = dots(group);
    let (Some(first), Some(best)) =
        (dots.first(), dots.iter().min_by(|one, other| one.y.total_cmp(&other.y)))
    else {
        return String::new();
    };
    let grain = units::about(group.grain_ns);
    let place = |dot: &Dot| match dot.x {
        1.0 => "alone in its batch".into(),
        count => format!("with {} in a batch", units::number(count)),
    };
    let mut text = format!("A job of {grain} takes {} {}", units::time(first.y), place(first));
    if best.x > first.x {
        text += &format!(", and {} {}", units::time(best.y), place(best));
    }
    if let Some(ns) = chosen(group) {
        text += &format!("; with the size that the pool chooses it takes {}", units::time(ns));
    }
    text + "."
}

fn table(report: &Report) -> Table {
    let mut rows = data::all_rows(report, Sweep::Batch);
    rows.sort_by(|one, other| {
        let own = |row: &Row| row.batch.unwrap_or(u64::MAX);
        own(one).cmp(&own(other)).then(one.grain_ns.total_cmp(&other.grain_ns))
    });
    let cells = |row: &Row| {
        vec![
            row.batch.map_or_else(|| "auto".into(), |batch| batch.to_string()),
            units::time(row.grain_ns),
            units::time(row.ns_per_job.median),
            units::time(row.ns_per_job.low),
            units::time(row.ns_per_job.high),
        ]
    };
    let head = ["jobs in a batch", "work in a job", "time for a job", "min", "max"];
    Table::new(&head, rows.into_iter().map(cells).collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture;
    use super::*;

    #[test]
    fn the_size_that_the_pool_chooses_has_its_own_line() {
        let panel = panel(&fixture()).unwrap();
        let Sketch::Chart(chart) = panel.sketch else { panic!("the panel is not a chart") };
        let names: Vec<_> = chart.lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["", "", "100 ns", "10 us"]);
        assert!(panel.finding.contains("with the size that the pool chooses it takes"), "{}", panel.finding);
    }
}
