//! A report for a reader.

use crate::{
    break_even::BreakEven,
    report::{ExecutorName, Model, Report, Row, Sweep},
    units::{bytes, ratio, time},
};

/// More programs than this want to run, while a measurement should be the only one.
const BUSY: f64 = 0.5;

/// Explains rows whose work is given as a round trip.
const ROUND_TRIP: &str =
    "Round trip: one job of the smallest size in flight at a time, from its submission to its result.";

/// Explains `*` before a speedup.
const SUSPECT: &str =
    "*: more than workers and cores allow, also when measured again: the plain loop was disturbed";

/// A section for each sweep, under a line on where it was measured.
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
    head.push_str("speedup: against the same jobs in a plain loop in the same round\n");
    if report.rows.iter().any(|row| row.suspect) {
        head = head + SUSPECT + "\n";
    }
    if report.quick {
        head.push_str("a quick look: few points and short runs, so the figures are rough\n");
    }
    if before > BUSY {
        head.push_str("the machine was busy with something else, so the figures are worth less\n");
    }
    head
}

fn section(sweep: Sweep, report: &Report) -> Option<String> {
    let rows: Vec<&Row> = report.rows.iter().filter(|row| row.sweep == sweep).collect();
    if rows.is_empty() {
        return None;
    }
    let [first, second] = keys(sweep);
    let head = [first.0, second.0, "a job", "low", "high", "predicted", "speedup", "jobs", "far off"]
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
        Sweep::Grain => format!("Grain: how much work a job needs to be worth a worker; {workers}"),
        Sweep::Workers => "Workers: how far more processes help".to_owned(),
        Sweep::Batch => format!("Batch: how many jobs should travel together; {workers}"),
        Sweep::Codec => format!("Codec: what it takes to carry bytes, there and back; {workers}"),
        Sweep::Transport => {
            format!("Transport: what jobs cost through rings and through a channel; {workers}")
        }
    }
}

/// A column's name, and what stands in it.
type Key = (&'static str, fn(&Row) -> String);

/// What tells the rows of a sweep from each other.
fn keys(sweep: Sweep) -> [Key; 2] {
    let work: Key = ("work", |row| time(row.grain_ns));
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

/// Where the prediction stands among them.
const PREDICTED: usize = 5;

fn cells(row: &Row, [first, second]: [String; 2]) -> Cells {
    let spread = &row.ns_per_job;
    // People count from one.
    let far: Vec<String> = spread.outliers.iter().map(|place| (place + 1).to_string()).collect();
    let far = match far.len() {
        0 => String::new(),
        1 => format!("round {}", far[0]),
        _ => format!("rounds {}", far.join(", ")),
    };
    let times = [spread.median, spread.low, spread.high].map(time);
    let [median, low, high] = times;
    let predicted = row.predicted_ns.map_or_else(String::new, time);
    let speedup = if row.suspect { "*" } else { "" }.to_owned() + &ratio(row.speedup);
    [first, second, median, low, high, predicted, speedup, row.jobs.to_string(), far]
}

/// What is the same as in the row above need not be read again.
fn blank_repeated(lines: &mut [Cells]) {
    for place in (1..lines.len()).rev() {
        if lines[place][0] == lines[place - 1][0] {
            lines[place][0].clear();
        }
    }
}

/// Columns as wide as their widest cell: figures to the right, and remarks, the last, to the left.
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

/// What the model goes by, and how far it can be trusted.
fn costs(model: &Model) -> String {
    let error = model.largest_error.map_or_else(String::new, |error| {
        format!("\nFrom 1 us to 10 ms that predicts the time for a job to {:.0} %.", (100.0 * error).ceil())
    });
    format!(
        "A job costs the parent {} and a worker {} beside its work, and leaves cores idle for {}; each batch of jobs\n\
         {}, {} and {} more. By that, processes are faster from {} on.{error}",
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
    let omitted = if report.rows.iter().any(is_omitted) { " Rows with * are left out." } else { "" };
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
    fn sections_have_aligned_columns_and_the_break_even_stands_under_the_grains() {
        let table = table(&samples::report());
        let expected = "\
2 cores, Abacus; medians of 5 rounds; load 0.25 before and 1.50 after
speedup: against the same jobs in a plain loop in the same round
a quick look: few points and short runs, so the figures are rough

Grain: how much work a job needs to be worth a worker; 2 workers

     work   executor    a job      low     high  predicted  speedup  jobs   far off
   100 ns     serial   130 ns   120 ns   400 ns               0.750  1000   round 3
           processes   200 ns   200 ns   200 ns               0.500  1000
  1.00 us     serial  1.05 us  1.05 us  1.05 us               0.952  1000
           processes   500 ns   500 ns   500 ns     550 ns     2.00  1000

Processes are faster than a plain loop from about 316 ns on.

A job costs the parent 80.0 ns and a worker 20.0 ns beside its work, and leaves cores idle for 10.0 ns; each batch of jobs
20.0 us, 8.00 us and 2.00 us more. By that, processes are faster from 110 ns on.
From 1 us to 10 ms that predicts the time for a job to 5 %.

Workers: how far more processes help
";
        assert!(table.starts_with(expected), "{table}");
        assert!(table.contains("\n   payload    codec    a job"), "{table}");
        assert!(table.contains("  1.00 us   auto  620 ns"), "{table}");
        let transports = "\
Transport: what jobs cost through rings and through a channel; 2 workers

        work  transport    a job      low     high    speedup  jobs   far off
     50.0 ns      rings  40.0 ns  40.0 ns  40.0 ns       1.25  1000
                channel   100 ns   100 ns   100 ns      0.500  1000
  round trip      rings  1.00 us  1.00 us  1.00 us      0.050  1000
                channel  5.00 us  5.00 us  5.00 us      0.010  1000

Round trip: one job of the smallest size in flight at a time, from its submission to its result.
";
        assert!(table.ends_with(transports), "{table}");
    }

    #[test]
    fn a_busy_machine_is_told_of() {
        let mut report = samples::report();
        report.machine.load[0] = 3.0;
        assert!(table(&report).contains("busy with something else"));
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
        assert!(table.contains("at any grain measured. Rows with * are left out.\n"), "{table}");
    }

    #[test]
    fn only_what_was_measured_has_a_section() {
        let mut report = samples::report();
        report.rows.retain(|row| row.sweep == Sweep::Batch);
        let table = table(&report);
        assert!(
            table.contains("Batch:") && !table.contains("Grain:") && !table.contains("faster"),
            "{table}"
        );
    }
}
