//! Renders a report as comma-separated values: one line per row, all times in nanoseconds.

use std::borrow::Cow;

use crate::report::{Report, Row};

const COLUMNS: [&str; 17] = [
    "sweep",
    "executor",
    "workers",
    "grain_ns",
    "payload_bytes",
    "codec",
    "transport",
    "batch",
    "in_flight",
    "jobs",
    "ns_per_job",
    "low",
    "high",
    "outliers",
    "speedup",
    "suspect",
    "predicted_ns",
];

/// Renders the rows of a report, after a header line. Fields without a value are empty; the indices of
/// outliers are in one field, separated by spaces.
///
/// ```
/// # let machine = bench::report::Machine { processor: String::new(), cores: 2, load: [0.0; 2] };
/// # let report = bench::report::Report {
/// #     schema: 1, machine, quick: true, rounds: 1, workers: 2, rows: vec![], model: None,
/// # };
/// assert!(bench::csv(&report).starts_with("sweep,executor,workers,grain_ns,"));
/// ```
#[must_use]
pub fn csv(report: &Report) -> String {
    let head = COLUMNS.map(str::to_owned);
    let rows = std::iter::once(head).chain(report.rows.iter().map(fields));
    rows.map(|fields| fields.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",") + "\n").collect()
}

fn fields(row: &Row) -> [String; COLUMNS.len()] {
    let spread = &row.ns_per_job;
    let places: Vec<String> = spread.outliers.iter().map(usize::to_string).collect();
    [
        row.sweep.name().to_owned(),
        row.executor.name().to_owned(),
        row.workers.to_string(),
        row.grain_ns.to_string(),
        row.payload_bytes.to_string(),
        row.codec.clone(),
        row.transport.clone(),
        row.batch.map(|batch| batch.to_string()).unwrap_or_default(),
        row.in_flight.map(|jobs| jobs.to_string()).unwrap_or_default(),
        row.jobs.to_string(),
        spread.median.to_string(),
        spread.low.to_string(),
        spread.high.to_string(),
        places.join(" "),
        row.speedup.to_string(),
        row.suspect.to_string(),
        row.predicted_ns.map(|ns| ns.to_string()).unwrap_or_default(),
    ]
}

/// Quotes a field that contains a separator, a quote or a line break.
fn quoted(field: &str) -> Cow<'_, str> {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\"")).into()
    } else {
        field.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn rows_match_the_header_and_missing_values_are_empty() {
        let text = csv(&samples::report());
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().all(|line| line.split(',').count() == COLUMNS.len()), "{text}");
        assert_eq!(lines[1], "grain,serial,1,100,0,,,,,1000,130,120,400,2,0.75,false,");
        assert_eq!(lines[7], "batch,processes,2,1000,0,bincode,rings,10,,1000,640,640,640,,1.5625,false,650");
        assert_eq!(
            lines[12],
            "transport,processes,2,50,0,bincode,channel,,1,1000,5000,5000,5000,,0.01,false,"
        );
    }

    #[test]
    fn suspect_rows_are_marked() {
        let mut report = samples::report();
        report.rows[3].suspect = true;
        let text = csv(&report);
        let fields = |line: usize| -> Vec<&str> { text.lines().nth(line).unwrap().split(',').collect() };
        let column = fields(0).iter().position(|name| *name == "suspect").unwrap();
        assert_eq!([3, 4, 5].map(|line| fields(line)[column]), ["false", "true", "false"]);
    }

    #[test]
    fn a_field_with_a_comma_is_quoted() {
        let mut report = samples::report();
        report.rows[0].codec = "a,\"b\"".to_owned();
        assert!(csv(&report).contains(",\"a,\"\"b\"\"\","));
    }
}
