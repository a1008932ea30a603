//! The picture of the sweep over transports: speedup for each transport.

use super::chart::{Axis, Chart, Dot, Line};
use super::data;
use super::panel::{Panel, Sketch, Table};
use super::scale::{Domain, Kind};
use super::speedup;
use super::units;
use crate::report::{Report, Row, Sweep};

const READING: &str = "Jobs and outputs are transferred through rings in memory that the parent shares with \
                       each worker, or through a channel, which is a socket for each worker. Each line is \
                       one transport. Above the line at 1\u{d7} the jobs finish sooner than in a plain loop \
                       without any executor, below it later; each step to the right is ten times the work in \
                       a job. Round trips, with one job in flight, are in the table below.";

/// The panel, if transports were compared.
pub(super) fn panel(report: &Report) -> Option<Panel> {
    let lines = lines(report);
    let dots: Vec<Dot> = lines.iter().flat_map(|line| line.dots.clone()).collect();
    if dots.is_empty() {
        return None;
    }
    let left_out = data::left_out(lines.len(), names(report).len());
    let chart = Chart {
        x: Axis {
            title: "work in a job".into(),
            domain: Domain::log(Kind::Decades, dots.iter().map(|dot| dot.x)),
            label: units::time,
        },
        y: Axis {
            title: "speedup over a plain loop".into(),
            domain: speedup::heights(data::heights(&dots)),
            label: units::times,
        },
        level: Some(1.0),
        landmark: None,
        lines,
    };
    Some(Panel {
        name: "transports",
        title: "Speedup by transport".into(),
        finding: finding(report),
        reading: READING.to_owned() + data::hollow(&chart) + &left_out,
        sketch: Sketch::Chart(chart),
        table: table(report),
    })
}

/// One line for each transport, in the order in which they were measured.
fn lines(report: &Report) -> Vec<Line> {
    let rows = throughput(report);
    let dots = |name: &str| {
        let of_transport = rows.iter().filter(|row| row.transport == name);
        let dot = |row: &&Row| {
            let dot = data::speedup(row, row.grain_ns)?;
            Some(Dot { note: format!("{name}: {}", dot.note), ..dot })
        };
        data::ascending(of_transport.filter_map(dot))
    };
    data::lines(names(report), dots)
}

fn names(report: &Report) -> Vec<&str> {
    data::names(throughput(report), |row| &row.transport)
}

/// Rows where the pool chooses the number of jobs in flight.
fn throughput(report: &Report) -> Vec<&Row> {
    data::all_rows(report, Sweep::Transport).into_iter().filter(|row| row.in_flight.is_none()).collect()
}

fn round_trips(report: &Report) -> Vec<&Row> {
    data::all_rows(report, Sweep::Transport).into_iter().filter(|row| row.in_flight.is_some()).collect()
}

/// Times for the smallest jobs and for a round trip, where transports differ most.
fn finding(report: &Report) -> String {
    let groups = data::by_grain(throughput(report));
    let Some(smallest) = groups.first() else { return String::new() };
    let jobs = times(&smallest.rows);
    let trips = times(&round_trips(report));
    let mut text = format!("A job of {} takes {jobs}.", units::about(smallest.grain_ns));
    if !trips.is_empty() {
        text += &format!(" With one job in flight, a round trip takes {trips}.");
    }
    text
}

/// Times for a job, each with the name of its transport.
fn times(rows: &[&Row]) -> String {
    let time = |row: &&Row| format!("{} ({})", units::time(row.ns_per_job.median), row.transport);
    let all: Vec<String> = rows.iter().map(time).collect();
    all.join(" and ")
}

fn table(report: &Report) -> Table {
    let mut rows = data::all_rows(report, Sweep::Transport);
    rows.sort_by(|one, other| {
        (&one.transport, one.in_flight)
            .cmp(&(&other.transport, other.in_flight))
            .then(one.grain_ns.total_cmp(&other.grain_ns))
    });
    let cells = |row: &Row| {
        vec![
            row.transport.clone(),
            row.in_flight.map_or_else(|| "auto".into(), |jobs| jobs.to_string()),
            units::time(row.grain_ns),
            units::time(row.ns_per_job.median),
            units::time(row.ns_per_job.low),
            units::time(row.ns_per_job.high),
            data::marked_ratio(row),
        ]
    };
    let head = ["transport", "jobs in flight", "work in a job", "time for a job", "min", "max", "speedup"];
    Table::new(&head, rows.into_iter().map(cells).collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture;
    use super::*;

    #[test]
    fn each_transport_has_a_line_without_its_round_trips() {
        let panel = panel(&fixture()).unwrap();
        let Sketch::Chart(chart) = panel.sketch else { panic!("the panel is not a chart") };
        let lines: Vec<_> = chart.lines.iter().map(|line| (line.name.as_str(), line.dots.len())).collect();
        assert_eq!(lines, [("rings", 5), ("channel", 5)]);
        assert!(chart.lines[1].dots[0].note.starts_with("channel: 2 processes, 50 ns of work: "));
        let in_flight: Vec<_> = panel.table.rows.iter().map(|row| row[1].as_str()).collect();
        assert_eq!(in_flight.iter().filter(|jobs| **jobs == "1").count(), 2);
    }

    #[test]
    fn the_finding_has_the_smallest_jobs_and_round_trips() {
        let mut report = fixture();
        for row in report.rows.iter_mut().filter(|row| row.sweep == Sweep::Transport) {
            row.ns_per_job.median = if row.transport == "rings" { 700.0 } else { 4500.0 };
        }
        let expected = "A job of 50 ns takes 700 ns (rings) and 4.5 us (channel). With one job in flight, a \
                        round trip takes 700 ns (rings) and 4.5 us (channel).";
        assert_eq!(panel(&report).unwrap().finding, expected);
        report.rows.retain(|row| row.in_flight.is_none());
        assert!(!panel(&report).unwrap().finding.contains("round trip"));
    }

    #[test]
    fn a_report_with_only_round_trips_has_no_picture() {
        let mut report = fixture();
        report.rows.retain(|row| row.in_flight.is_some());
        assert!(panel(&report).is_none());
    }
}
