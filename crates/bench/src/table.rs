//! Renders a report as a table for a terminal.

use crate::{
    break_even::BreakEven,
    report::{ExecutorName, Model, Report, Row, Sweep},
    units::{bytes, ratio, time},
};

/// Load average before the run above which the machine counts as busy.
const BUSY_LOAD: f64 = 0.5;

/// Explanation of rows that show a round trip.
const ROUND_TRIP: &str =
    "Round trip: one job of the smallest size in flight at a time, from its submission to its result.";

/// Explanation of `*` before a speedup.
const SUSPECT: &str =
    "*: more than workers and cores allow, also when measured again: the plain loop was disturbed";

/// Renders a section for each sweep, after a header about the machine and the rounds.
///
/// ```
/// # let machine = bench::report::Machine { processor: "Abacus".to_owned(), cores: 2, load: [0.0; 2] };
/// # let report = bench::report::Report {
/// #     schema: 1, machine, quick: false, rounds: 5, workers: 2, rows: vec![], model: None,
/// # };
/// assert!(bench::table(&report).starts_with("2 cores, Abacus; medians of 5 rounds"));
/// ```
#[must_use]
pub fn table(report: &Report) -> String {
    let sections = Sweep::ALL.into_iter().filter_map(|sweep| section(sweep, report));
    std::iter::once(head(report)).chain(sections).collect::<Vec<_>>().join("\n")
}

fn head(report: &Report) -> String {
    let machine = &report.machine;
    let [before, after] = machine.load;
    let mut head = format!(
        "{}, {}; medians of {}; load {before:.2} before and {after:.2} after\n",
        counted(machine.cores, "core"),
        machine.processor,
        counted(report.rounds, "round"),
    );
    head.push_str("speedup: relative to the same jobs in a plain loop in the same round\n");
    if report.rows.iter().any(|row| row.suspect) {
        head = head + SUSPECT + "\n";
    }
    if report.quick {
        head.push_str("quick run: few points and short runs, so values are rough\n");
    }
    if before > BUSY_LOAD {
        head.push_str("the machine was busy before the run, so values may be worse than on an idle one\n");
    }
    head
}

fn section(sweep: Sweep, report: &Report) -> Option<String> {
    let rows: Vec<&Row> = report.rows.iter().filter(|row| row.sweep == sweep).collect();
    if rows.is_empty() {
        return None;
    }
    let [first, second] = keys(sweep);
    let head = [first.0, second.0, "per job", "low", "high", "predicted", "speedup", "jobs", "outliers"]
        .map(str::to_owned);
    let mut lines = vec![head];
    lines.extend(rows.iter().map(|row| cells(row, [first.1(row), second.1(row)])));
    blank_repeated(&mut lines);
    if rows.iter().all(|row| row.predicted_ns.is_none()) {
        lines[0][PREDICTED].clear();
    }
    let mut section = title(sweep, report.workers) + "\n\n" + &aligned(&lines);
    if sweep == Sweep::Grain {
        let sentences = [break_even(report), report.model.as_ref().map(costs)];
        sentences.into_iter().flatten().for_each(|sentence| section = format!("{section}\n{sentence}\n"));
    }
    if rows.iter().any(|row| row.in_flight == Some(1)) {
        section = format!("{section}\n{ROUND_TRIP}\n");
    }
    Some(section)
}

fn title(sweep: Sweep, workers: usize) -> String {
    let workers = counted(workers, "worker");
    match sweep {
        Sweep::Grain => format!("Grain: time for a job by the work in it; {workers}"),
        Sweep::Workers => "Workers: time for a job by the number of worker processes".to_owned(),
        Sweep::Batch => format!("Batch: time for a job by the size of batches; {workers}"),
        Sweep::Codec => format!("Codec: time for a job by payload and codec; {workers}"),
        Sweep::Transport => {
            format!("Transport: time for a job by transport; {workers}")
        }
    }
}

/// Name of a column, and a function that renders its cell.
type KeyColumn = (&'static str, fn(&Row) -> String);

/// Columns by which the rows of a sweep differ.
fn keys(sweep: Sweep) -> [KeyColumn; 2] {
    let work: KeyColumn = ("work", |row| time(row.grain_ns));
    match sweep {
        Sweep::Grain => [work, ("executor", |row| row.executor.name().to_owned())],
        Sweep::Workers => [work, ("workers", |row| row.workers.to_string())],
        Sweep::Batch => [work, ("batch", |row| row.batch.map_or("auto".to_owned(), |size| size.to_string()))],
        Sweep::Codec => [("payload", |row| bytes(row.payload_bytes)), ("codec", |row| row.codec.clone())],
        Sweep::Transport => [("work", work_or_round_trip), ("transport", |row| row.transport.clone())],
    }
}

fn work_or_round_trip(row: &Row) -> String {
    match row.in_flight {
        Some(1) => "round trip".to_owned(),
        _ => time(row.grain_ns),
    }
}

type Cells = [String; 9];

/// Column of the prediction.
const PREDICTED: usize = 5;

fn cells(row: &Row, [first, second]: [String; 2]) -> Cells {
    let spread = &row.ns_per_job;
    // Rounds are numbered from 1 for readers.
    let numbers: Vec<String> = spread.outliers.iter().map(|place| (place + 1).to_string()).collect();
    let outliers = match numbers.len() {
        0 => String::new(),
        1 => format!("round {}", numbers[0]),
        _ => format!("rounds {}", numbers.join(", ")),
    };
    let times = [spread.median, spread.low, spread.high].map(time);
    let [median, low, high] = times;
    let predicted = row.predicted_ns.map_or_else(String::new, time);
    let speedup = if row.suspect { "*" } else { "" }.to_owned() + &ratio(row.speedup);
    [first, second, median, low, high, predicted, speedup, row.jobs.to_string(), outliers]
}

/// Clears the first cell of a line if it is the same as in the line above.
fn blank_repeated(lines: &mut [Cells]) {
    for place in (1..lines.len()).rev() {
        if lines[place][0] == lines[place - 1][0] {
            lines[place][0].clear();
        }
    }
}

/// Aligns columns: values to the right, the outliers in the last column to the left.
fn aligned(lines: &[Cells]) -> String {
    let last = lines.first().map_or(0, |cells| cells.len() - 1);
    let width = |column: usize| lines.iter().map(|cells| cells[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..=last).map(width).collect();
    let line = |cells: &Cells| {
        let cell = |column: usize| match column {
            _ if column == last => format!("   {}", cells[column]),
            _ => format!("  {:>width$}", cells[column], width = widths[column]),
        };
        let line: String = (0..=last).map(cell).collect();
        line.trim_end().to_owned() + "\n"
    };
    lines.iter().map(line).collect()
}

/// The constants of the model, its break-even and its largest error.
fn costs(model: &Model) -> String {
    let error = model.largest_error.map_or_else(String::new, |error| {
        let percent = (100.0 * error).ceil();
        format!("\nFrom 1 us to 10 ms the prediction of the time for a job is within {percent:.0} %.")
    });
    format!(
        "A job costs {} in the parent and {} in a worker in addition to its work, and {} of idle cores;\n\
         each batch costs {}, {} and {} more. By this model, processes are faster from {} on.{error}",
        time(model.parent_ns),
        time(model.worker_ns),
        time(model.idle_ns),
        time(model.parent_batch_ns),
        time(model.worker_batch_ns),
        time(model.idle_batch_ns),
        time(model.break_even_ns),
    )
}

fn break_even(report: &Report) -> Option<String> {
    let is_omitted =
        |row: &Row| row.sweep == Sweep::Grain && row.executor == ExecutorName::Processes && row.suspect;
    let omitted = if report.rows.iter().any(is_omitted) { " Rows with * are ignored." } else { "" };
    let sentence = match BreakEven::of(report)? {
        BreakEven::Never => "Processes are not faster than a plain loop at any grain measured.".to_owned(),
        BreakEven::Always(ns) => {
            format!("Processes are faster than a plain loop from the smallest grain on, {}.", time(ns))
        }
        BreakEven::At(ns) => format!("Processes are faster than a plain loop from about {} on.", time(ns)),
    };
    Some(sentence + omitted)
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn columns_are_aligned_and_the_break_even_follows_the_grains() {
        let table = table(&samples::report());
        let expected = "\
2 cores, Abacus; medians of 5 rounds; load 0.25 before and 1.50 after
speedup: relative to the same jobs in a plain loop in the same round
quick run: few points and short runs, so values are rough

Grain: time for a job by the work in it; 2 workers

     work   executor  per job      low     high  predicted  speedup  jobs   outliers
   100 ns     serial   130 ns   120 ns   400 ns               0.750  1000   round 3
           processes   200 ns   200 ns   200 ns               0.500  1000
  1.00 us     serial  1.05 us  1.05 us  1.05 us               0.952  1000
           processes   500 ns   500 ns   500 ns     550 ns     2.00  1000

Processes are faster than a plain loop from about 316 ns on.

A job costs 80.0 ns in the parent and 20.0 ns in a worker in addition to its work, and 10.0 ns of idle cores;
each batch costs 20.0 us, 8.00 us and 2.00 us more. By this model, processes are faster from 110 ns on.
From 1 us to 10 ms the prediction of the time for a job is within 5 %.

Workers: time for a job by the number of worker processes
";
        assert!(table.starts_with(expected), "{table}");
        assert!(table.contains("\n   payload    codec  per job"), "{table}");
        assert!(table.contains("  1.00 us   auto   620 ns"), "{table}");
        let transports = "\
Transport: time for a job by transport; 2 workers

        work  transport  per job      low     high    speedup  jobs   outliers
     50.0 ns      rings  40.0 ns  40.0 ns  40.0 ns       1.25  1000
                channel   100 ns   100 ns   100 ns      0.500  1000
  round trip      rings  1.00 us  1.00 us  1.00 us      0.050  1000
                channel  5.00 us  5.00 us  5.00 us      0.010  1000

Round trip: one job of the smallest size in flight at a time, from its submission to its result.
";
        assert!(table.ends_with(transports), "{table}");
    }

    #[test]
    fn a_busy_machine_is_reported() {
        let mut report = samples::report();
        report.machine.load[0] = 3.0;
        assert!(table(&report).contains("the machine was busy before the run"));
    }

    #[test]
    fn suspect_rows_are_marked_and_the_mark_is_explained_once() {
        let mut report = samples::report();
        assert!(!table(&report).contains('*'));
        for place in [3, 4] {
            (report.rows[place].suspect, report.rows[place].speedup) = (true, 4.25);
        }
        let table = table(&report);
        assert!(table.contains("\n*: more than workers and cores allow"), "{table}");
        assert!(
            table.contains("processes   500 ns   500 ns   500 ns     550 ns    *4.25  1000\n"),
            "{table}"
        );
        assert_eq!(table.matches('*').count(), 4, "{table}");
        assert!(table.contains("at any grain measured. Rows with * are ignored.\n"), "{table}");
    }

    #[test]
    fn only_measured_sweeps_have_a_section() {
        let mut report = samples::report();
        report.rows.retain(|row| row.sweep == Sweep::Batch);
        let table = table(&report);
        assert!(
            table.contains("Batch:") && !table.contains("Grain:") && !table.contains("faster"),
            "{table}"
        );
    }
}
