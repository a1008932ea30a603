//! The picture of the sweep over payloads: time for a job, for each codec.

use super::chart::{Axis, Chart, Dot, Line};
use super::data;
use super::panel::{Panel, Sketch, Table};
use super::scale::{Domain, Kind};
use super::units;
use crate::report::{Report, Row, Sweep};

const READING: &str = "Jobs and outputs are encoded for the transfer to a worker and back; each line is one \
                       codec. Lower is better. Both axes are logarithmic: where a line rises diagonally, the \
                       time is proportional to the payload.";

/// The panel, if codecs were compared.
pub(super) fn panel(report: &Report) -> Option<Panel> {
    let lines = lines(report);
    let dots: Vec<Dot> = lines.iter().flat_map(|line| line.dots.clone()).collect();
    if dots.is_empty() {
        return None;
    }
    let finding = finding(&lines);
    let reading = READING.to_owned() + &data::left_out(lines.len(), names(report).len());
    let chart = Chart {
        x: Axis {
            title: "bytes in a job, and as many in its output".into(),
            domain: Domain::log(Kind::Doublings, dots.iter().map(|dot| dot.x)),
            label: units::bytes,
        },
        y: Axis {
            title: "time for a job".into(),
            domain: Domain::log(Kind::Decades, data::heights(&dots)).with_room(),
            label: units::time,
        },
        level: None,
        landmark: None,
        lines,
    };
    Some(Panel {
        name: "codecs",
        title: "Time for a job by payload and codec".into(),
        finding,
        reading,
        sketch: Sketch::Chart(chart),
        table: table(report),
    })
}

/// One line for each codec, in the order in which they were measured.
fn lines(report: &Report) -> Vec<Line> {
    let rows = data::all_rows(report, Sweep::Codec);
    let dots = |name: &str| {
        let of_codec = rows.iter().filter(|row| row.codec == name);
        let what = |row: &Row| format!("{name}, {}", units::bytes(row.payload_bytes as f64));
        data::ascending(of_codec.filter_map(|row| data::cost(row, row.payload_bytes as f64, &what(row))))
    };
    data::lines(names(report), dots)
}

/// Names of the codecs, in the order in which they were measured.
fn names(report: &Report) -> Vec<&str> {
    data::names(data::all_rows(report, Sweep::Codec), |row| &row.codec)
}

/// The cheapest codec for the smallest and for the largest payload.
fn finding(lines: &[Line]) -> String {
    let sizes = || lines.iter().flat_map(|line| &line.dots).map(|dot| dot.x);
    let least = sizes().fold(f64::INFINITY, f64::min);
    let most = sizes().fold(0.0, f64::max);
    let cheapest = |size: f64| {
        let at = |line: &Line| line.dots.iter().find(|dot| dot.x == size).map(|dot| dot.y);
        let all = lines.iter().filter_map(|line| Some((line.name.clone(), at(line)?)));
        all.min_by(|one, other| one.1.total_cmp(&other.1))
    };
    let (Some(small), Some(large)) = (cheapest(least), cheapest(most)) else { return String::new() };
    let (least, most) = (units::bytes(least), units::bytes(most));
    let (small_time, large_time) = (units::time(small.1), units::time(large.1));
    if lines.len() == 1 {
        format!("With {}, a job of {least} takes {small_time} and one of {most} {large_time}.", small.0)
    } else if small.0 == large.0 {
        format!("{} is the cheapest with {least} ({small_time}) and with {most} ({large_time}).", small.0)
    } else {
        format!(
            "With {least} the cheapest is {} ({small_time} a job), with {most} it is {} ({large_time}).",
            small.0, large.0
        )
    }
}

fn table(report: &Report) -> Table {
    let mut rows = data::all_rows(report, Sweep::Codec);
    rows.sort_by(|one, other| (&one.codec, one.payload_bytes).cmp(&(&other.codec, other.payload_bytes)));
    let cells = |row: &Row| {
        vec![
            row.codec.clone(),
            units::bytes(row.payload_bytes as f64),
            units::time(row.ns_per_job.median),
            units::time(row.ns_per_job.low),
            units::time(row.ns_per_job.high),
        ]
    };
    let head = ["codec", "bytes in a job", "time for a job", "min", "max"];
    Table::new(&head, rows.into_iter().map(cells).collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture;
    use super::*;

    #[test]
    fn the_finding_names_the_cheapest_at_both_ends() {
        let panel = panel(&fixture()).unwrap();
        assert!(panel.finding.starts_with("With 16 B the cheapest is bincode ("), "{}", panel.finding);
        assert!(panel.finding.contains("with 16 MiB it is raw ("), "{}", panel.finding);
    }

    #[test]
    fn codecs_without_a_line_are_counted() {
        let mut report = fixture();
        assert!(!panel(&report).unwrap().reading.contains("Only"));
        for (index, row) in report.rows.iter_mut().enumerate() {
            row.codec = format!("codec {}", index % 9);
        }
        assert!(
            panel(&report)
                .unwrap()
                .reading
                .ends_with("Only the first six of 9 are drawn; the table has the values of all.")
        );
    }

    #[test]
    fn one_codec_is_not_compared() {
        let mut report = fixture();
        report.rows.retain(|row| row.codec == "raw");
        assert!(panel(&report).unwrap().finding.starts_with("With raw, a job of 16 B takes"));
    }
}
