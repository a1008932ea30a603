//! The picture of the sweep over numbers of workers: speedup for each grain.

use super::chart::{Axis, Chart, Dot, Line};
use super::data::{self, GrainGroup};
use super::draw::Shape;
use super::palette;
use super::panel::{Panel, Sketch, Table};
use super::scale::{Domain, drawable};
use super::speedup;
use super::summary;
use super::units;
use crate::report::{ExecutorName, Report, Sweep};

/// The panel, if the number of workers was varied.
pub(super) fn panel(report: &Report) -> Option<Panel> {
    let rows = data::rows(report, Sweep::Workers, ExecutorName::Processes);
    let mut groups = data::by_grain(rows);
    groups.retain(|group| !dots(group).is_empty());
    let all = groups.len();
    groups.truncate(palette::LINES.len());
    let measured: Vec<Dot> = groups.iter().flat_map(dots).collect();
    let across = Domain::whole(measured.iter().map(|dot| dot.x));
    let ideal = (!measured.is_empty()).then(|| ideal(report.machine.cores, across))?;
    let mut lines = vec![ideal];
    lines.extend(groups.iter().enumerate().filter_map(|(index, group)| model(report, group, index, across)));
    let modelled = lines.len() > 1;
    lines.extend(groups.iter().enumerate().map(|(index, group)| line(group, index)));
    let heights: Vec<f64> =
        lines.iter().flat_map(|line| data::heights(&line.dots).collect::<Vec<_>>()).collect();
    let chart = Chart {
        x: Axis { title: "workers".into(), domain: across, label: units::number },
        y: Axis {
            title: "speedup over a plain loop".into(),
            // Always linear, so that the ideal is a straight line.
            domain: Domain::from_zero(heights.into_iter().chain([1.0])),
            label: units::times,
        },
        level: Some(1.0),
        landmark: None,
        lines,
    };
    Some(Panel {
        name: "workers",
        title: "Speedup by the number of workers".into(),
        finding: finding(report, &groups),
        reading: reading(report.machine.cores, modelled)
            + data::hollow(&chart)
            + &data::left_out(groups.len(), all),
        sketch: Sketch::Chart(chart),
        table: table(report),
    })
}

fn dots(group: &GrainGroup<'_>) -> Vec<Dot> {
    data::ascending(group.rows.iter().filter_map(|row| data::speedup(row, row.workers as f64)))
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

/// The ideal: one core for each worker, up to the number of cores.
fn ideal(cores: usize, across: Domain) -> Line {
    let (low, high) = across.ends();
    let cores = if cores == 0 { high } else { cores as f64 };
    let mut dots = vec![Dot::bare(low, low.min(cores))];
    if cores > low && cores < high {
        dots.push(Dot::bare(cores, cores));
    }
    dots.push(Dot::bare(high, high.min(cores)));
    Line { name: "ideal".into(), colour: palette::GREY, shape: None, dash: "2 4", dots }
}

/// Predictions for jobs of this grain: the model's curve, or else its values for the measured rows.
fn model(report: &Report, group: &GrainGroup<'_>, index: usize, across: Domain) -> Option<Line> {
    let (low, high) = across.ends();
    let curve = report.model.iter().flat_map(|model| &model.curve);
    let near: Vec<_> = curve.filter(|point| data::same_grain(point.grain_ns, group.grain_ns)).collect();
    // The curve may have points close to this grain on both sides.
    let distance = |grain: f64| (grain / group.grain_ns).ln().abs();
    let nearest = near.iter().map(|point| distance(point.grain_ns)).fold(f64::INFINITY, f64::min);
    let points = near.into_iter().filter(|point| distance(point.grain_ns) <= nearest);
    let curve = points.map(|point| Dot::bare(point.workers as f64, point.speedup));
    let curve = data::ascending(curve.filter(|dot| drawable(dot.y) && dot.x >= low && dot.x <= high));
    let measured =
        group.rows.iter().filter_map(|row| Some(Dot::bare(row.workers as f64, data::predicted(row)?)));
    let dots = if curve.len() > 1 { curve } else { data::ascending(measured.filter(|dot| drawable(dot.x))) };
    let colour = palette::LINES[index % palette::LINES.len()];
    (dots.len() > 1).then(|| Line { name: String::new(), colour, shape: None, dash: "6 4", dots })
}

fn reading(cores: usize, modelled: bool) -> String {
    let model = if modelled { " Dashed lines are what the model predicts." } else { "" };
    let until = match cores {
        0 => String::new(),
        1 => ", up to the one core of this machine".into(),
        cores => format!(", up to the {} cores of this machine", units::word(cores)),
    };
    format!(
        "The label of a line is the work in a job. The dotted line is the ideal: every worker is as fast as \
         a plain loop{until}.{model}"
    )
}

/// Best speedups of the largest and the smallest jobs, without suspect rows.
fn finding(report: &Report, groups: &[GrainGroup<'_>]) -> String {
    let best = |group: &GrainGroup<'_>| {
        let dots = dots(group);
        let dots = dots.into_iter().filter(|dot| !dot.suspect);
        let best = dots.max_by(|one, other| one.y.total_cmp(&other.y))?;
        let name = summary::subject(best.x as usize);
        Some((units::about(group.grain_ns), name, units::ratio(best.y)))
    };
    let bests: Vec<_> = groups.iter().filter_map(best).collect();
    let mut text = String::new();
    if let Some((grain, name, ratio)) = bests.last() {
        text = format!("The best speedup of jobs of {grain} is {ratio}, with {name}");
    }
    if let Some((grain, name, ratio)) = bests.first().filter(|_| bests.len() > 1) {
        text += &format!("; of jobs of {grain}, {ratio}, with {name}");
    }
    if !text.is_empty() {
        text.push('.');
    }
    text + &limit(report)
}

/// The smallest grain for which a parent can keep more than one worker busy, but not an unlimited number.
fn limit(report: &Report) -> String {
    let limits = report.model.iter().flat_map(|model| &model.limits);
    let limit = limits.into_iter().find(|limit| {
        drawable(limit.grain_ns) && drawable(limit.workers) && (2.0..1000.0).contains(&limit.workers)
    });
    limit.map_or_else(String::new, |limit| {
        format!(
            " By the model, a parent with a core of its own can keep {} workers busy with jobs of {}.",
            units::word(limit.workers as usize),
            units::about(limit.grain_ns)
        )
    })
}

fn table(report: &Report) -> Table {
    let mut rows = data::all_rows(report, Sweep::Workers);
    rows.sort_by(|one, other| {
        (one.executor, one.workers)
            .cmp(&(other.executor, other.workers))
            .then(one.grain_ns.total_cmp(&other.grain_ns))
    });
    let head = ["workers", "work in a job", "time for a job", "min", "max", "speedup", "predicted"];
    Table::new(
        &head,
        rows.into_iter()
            .map(|row| {
                let kind = match row.executor {
                    ExecutorName::Processes => String::new(),
                    other => format!(" ({})", data::executor(other)),
                };
                speedup::cells(row, format!("{}{kind}", row.workers))
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture;
    use super::*;

    #[test]
    fn each_grain_has_a_line_and_a_prediction_next_to_the_ideal() {
        let panel = panel(&fixture()).unwrap();
        let Sketch::Chart(chart) = panel.sketch else { panic!("the panel is not a chart") };
        let names: Vec<_> = chart.lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["ideal", "", "", "", "300 ns", "3 us", "1 ms"]);
        assert!(panel.reading.contains("up to the two cores"), "{}", panel.reading);
        assert!(panel.finding.starts_with("The best speedup of jobs of 1 ms is"), "{}", panel.finding);
    }

    #[test]
    fn the_best_speedup_is_not_suspect() {
        let mut report = fixture();
        let found = panel(&report).unwrap().finding;
        let of_sweep = report.rows.iter_mut().filter(|row| row.sweep == Sweep::Workers && row.workers == 1);
        of_sweep.for_each(|row| (row.suspect, row.speedup) = (true, 7.0));
        assert_eq!(panel(&report).unwrap().finding, found);
        let largest = report.rows.iter_mut().filter(|row| row.grain_ns == 1e6);
        largest.for_each(|row| row.suspect = true);
        let panel = panel(&report).unwrap();
        assert!(panel.finding.starts_with("The best speedup of jobs of 3 us is"), "{}", panel.finding);
        let Sketch::Chart(chart) = panel.sketch else { panic!("the panel is not a chart") };
        assert_eq!(chart.lines.iter().flat_map(|line| &line.dots).filter(|dot| dot.suspect).count(), 6);
    }

    #[test]
    fn the_ideal_is_limited_by_the_cores() {
        let across = Domain::whole([1.0, 4.0]);
        let heights = |cores| ideal(cores, across).dots.iter().map(|dot| (dot.x, dot.y)).collect::<Vec<_>>();
        assert_eq!(heights(2), [(1.0, 1.0), (2.0, 2.0), (4.0, 2.0)]);
        assert_eq!(heights(8), [(1.0, 1.0), (4.0, 4.0)]);
        assert_eq!(heights(0), [(1.0, 1.0), (4.0, 4.0)]);
    }
}
