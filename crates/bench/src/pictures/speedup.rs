//! The picture of the sweep over grains: speedup for each executor, and the break-even.

use super::chart::{Axis, Chart, Dot, Landmark, Line};
use super::data;
use super::draw::Shape;
use super::palette::{self, Colour};
use super::panel::{Panel, Sketch, Table};
use super::scale::{Domain, Kind, drawable};
use super::summary::{self, BreakEvenFinding};
use super::units;
use crate::report::{ExecutorName, Report, Row, Sweep};

/// Largest speedup for a linear axis; above it, a linear axis would compress the small speedups.
const MAX_LINEAR_SPEEDUP: f64 = 12.0;

const EXECUTORS: [(ExecutorName, Colour, Shape); 3] = [
    (ExecutorName::Serial, palette::GREY, Shape::Diamond),
    (ExecutorName::Threads, palette::RED, Shape::Square),
    (ExecutorName::Processes, palette::BLUE, Shape::Circle),
];

/// The panel, if the work in a job was varied.
pub(super) fn panel(report: &Report) -> Option<Panel> {
    let lines = lines(report);
    let dots: Vec<Dot> = lines.iter().flat_map(|line| line.dots.clone()).collect();
    if dots.is_empty() {
        return None;
    }
    let across = dots.iter().map(|dot| dot.x).chain(summary::break_even(report).ns());
    let chart = Chart {
        x: Axis {
            title: "work in a job".into(),
            domain: Domain::log(Kind::Decades, across),
            label: units::time,
        },
        y: Axis {
            title: "speedup over a plain loop".into(),
            domain: heights(data::heights(&dots)),
            label: units::times,
        },
        level: Some(1.0),
        landmark: landmark(report),
        lines,
    };
    Some(Panel {
        name: "speedup",
        title: "Speedup by the work in a job".into(),
        finding: summary::details(report),
        reading: reading(&chart) + data::hollow(&chart),
        sketch: Sketch::Chart(chart),
        table: table(report),
    })
}

/// Axis for these speedups and 1: linear from zero, or logarithmic for large speedups.
pub(super) fn heights(speedups: impl Iterator<Item = f64>) -> Domain {
    let speedups: Vec<f64> = speedups.chain([1.0]).collect();
    if speedups.iter().any(|speedup| *speedup > MAX_LINEAR_SPEEDUP) {
        Domain::log(Kind::Decades, speedups).with_room()
    } else {
        Domain::from_zero(speedups)
    }
}

/// The line of the model, and the measured ones in front of it.
fn lines(report: &Report) -> Vec<Line> {
    let measured = EXECUTORS.into_iter().filter_map(|(executor, colour, shape)| {
        let rows = data::rows(report, Sweep::Grain, executor);
        let dots = data::ascending(rows.into_iter().filter_map(|row| data::speedup(row, row.grain_ns)));
        let name = data::executor(executor).into();
        (!dots.is_empty()).then_some(Line { name, colour, shape: Some(shape), dash: "", dots })
    });
    let measured: Vec<Line> = measured.collect();
    if measured.is_empty() {
        return measured;
    }
    let model = model(report).map(|dots| Line {
        name: "model".into(),
        colour: palette::PURPLE,
        shape: None,
        dash: "6 4",
        dots,
    });
    model.into_iter().chain(measured).collect()
}

/// Predicted speedups of processes.
fn model(report: &Report) -> Option<Vec<Dot>> {
    let curve = &report.model.as_ref()?.curve;
    let points = curve.iter().filter(|point| point.workers == report.workers);
    let points = points.filter(|point| drawable(point.grain_ns) && drawable(point.speedup));
    let dots = data::ascending(points.map(|point| Dot::bare(point.grain_ns, point.speedup)));
    (dots.len() > 1).then_some(dots)
}

fn landmark(report: &Report) -> Option<Landmark> {
    let (ns, source) = match summary::break_even(report) {
        BreakEvenFinding::Measured(ns) => (ns, ""),
        BreakEvenFinding::Predicted(ns) => (ns, " (model)"),
        _ => return None,
    };
    Some(Landmark { x: ns, name: format!("break-even {}{source}", units::time(ns)) })
}

fn reading(chart: &Chart) -> String {
    let model = if chart.lines.iter().any(|line| line.shape.is_none()) {
        " The dashed line is what the model predicts for processes."
    } else {
        ""
    };
    format!(
        "Above the line at 1\u{d7} the jobs finish sooner than in a plain loop without any executor, below \
         it later. Each step to the right is ten times the work in a job; whiskers extend from the slowest \
         to the fastest round.{model}"
    )
}

fn table(report: &Report) -> Table {
    let mut rows = data::all_rows(report, Sweep::Grain);
    rows.sort_by(|one, other| {
        (one.executor, one.workers)
            .cmp(&(other.executor, other.workers))
            .then(one.grain_ns.total_cmp(&other.grain_ns))
    });
    let head = ["executor", "work in a job", "time for a job", "min", "max", "speedup", "predicted"];
    Table::new(&head, rows.into_iter().map(|row| cells(row, data::executor(row.executor).into())).collect())
}

/// Cells of a row, after its name.
pub(super) fn cells(row: &Row, name: String) -> Vec<String> {
    vec![
        name,
        units::time(row.grain_ns),
        units::time(row.ns_per_job.median),
        units::time(row.ns_per_job.low),
        units::time(row.ns_per_job.high),
        data::marked_ratio(row),
        data::predicted(row).map_or_else(|| units::NONE.into(), units::ratio),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture;
    use super::*;

    #[test]
    fn the_break_even_is_in_the_finding_and_marked() {
        let panel = panel(&fixture()).unwrap();
        assert_eq!(
            panel.finding,
            "Two processes are faster than a plain loop from jobs of 200 ns on. From jobs of 10 us on the \
             speedup is within 5 % of the best. The model predicts a break-even at 200 ns."
        );
        let Sketch::Chart(chart) = panel.sketch else { panic!("the panel is not a chart") };
        assert_eq!(chart.landmark.unwrap().name, "break-even 200 ns");
        let names: Vec<_> = chart.lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["model", "serial", "threads", "processes"]);
    }

    #[test]
    fn suspect_rows_are_hollow_and_marked_in_the_table() {
        let mut report = fixture();
        assert!(!panel(&report).unwrap().reading.contains("ollow"));
        let row = report.rows.iter_mut().find(|row| row.executor == ExecutorName::Threads).unwrap();
        (row.suspect, row.speedup) = (true, 3.0);
        let panel = panel(&report).unwrap();
        assert!(panel.reading.contains(" Hollow marks are suspect"), "{}", panel.reading);
        let marked: Vec<_> = panel.table.rows.iter().filter(|row| row[5].starts_with('*')).collect();
        assert_eq!((marked.len(), marked[0][0].as_str(), marked[0][5].as_str()), (1, "threads", "*3.00"));
        let Sketch::Chart(chart) = panel.sketch else { panic!("the panel is not a chart") };
        let threads = chart.lines.iter().find(|line| line.name == "threads").unwrap();
        assert!(threads.dots[0].suspect && threads.dots[0].note.ends_with("; suspect"));
        assert_eq!(threads.dots.iter().filter(|dot| dot.suspect).count(), 1);
    }

    #[test]
    fn without_a_model_there_is_no_curve() {
        let mut report = fixture();
        report.model = None;
        assert!(!panel(&report).unwrap().reading.contains("model"));
    }

    #[test]
    fn large_speedups_are_on_a_logarithmic_axis() {
        assert_eq!(heights([0.5, 2.0].into_iter()).ends().0, 0.0);
        assert!(heights([0.5, 60.0].into_iter()).ends().0 > 0.0);
    }
}
