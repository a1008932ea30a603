//! Statistics of a run and of each worker.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::File,
    io::{self, Write},
    iter::once,
    time::Duration,
};

use console::{LineWriter, screen};
use pool::metrics::{ProgramStats, WorkerStats};
use serde::Serialize;

use super::time_accounting::{ParentTimes, TimeAccounting, seconds};
use crate::{
    args::{ExecutorKind, StatsFormat},
    output::{Counts, OutcomeKind},
    plan::Plan,
    units::{format_count, format_decimal},
};

/// The output of `--stats=json`; durations are in seconds.
#[derive(Debug, Serialize)]
pub(crate) struct Stats {
    jobs: u64,
    ok: u64,
    failed: u64,
    elapsed_s: f64,
    workers: Vec<WorkerRow>,
    /// Programs of user-defined ops; omitted if there are none.
    #[serde(skip_serializing_if = "ProgramRow::is_empty")]
    programs: ProgramRow,
    /// Omitted if there are no worker processes on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<SandboxRow>,
    ledger: TimeAccounting,
}

#[derive(Debug, Default, Serialize)]
struct ProgramRow {
    started: u64,
    replaced: u64,
    crashed: u64,
}

/// Level of the sandbox, and the parts of it that are missing.
#[derive(Debug, Serialize)]
pub(crate) struct SandboxRow {
    level: String,
    gaps: Vec<String>,
}

#[derive(Debug, Serialize)]
struct WorkerRow {
    slot: u32,
    generation: u32,
    pid: Option<u32>,
    jobs: u64,
    batches: u64,
    bytes_out: u64,
    bytes_in: u64,
    start_s: f64,
    busy_s: f64,
    life_s: f64,
    stages_s: BTreeMap<&'static str, f64>,
}

impl Stats {
    pub(crate) fn new(
        counts: &Counts,
        (worker_stats, parent): (&[WorkerStats], &ParentTimes),
        elapsed: Duration,
        sandbox: Option<SandboxRow>,
    ) -> Stats {
        let workers = worker_stats.iter().map(|worker| WorkerRow {
            slot: worker.worker.slot,
            generation: worker.worker.generation,
            pid: worker.pid,
            jobs: worker.jobs,
            batches: worker.batches,
            bytes_out: worker.bytes_out,
            bytes_in: worker.bytes_in,
            start_s: worker.start_time.as_secs_f64(),
            busy_s: worker.busy.as_secs_f64(),
            life_s: worker.lifetime.as_secs_f64(),
            stages_s: seconds(&worker.stage_times),
        });
        Stats {
            jobs: counts.done(),
            ok: counts.of(OutcomeKind::Succeeded),
            failed: counts.failed(),
            elapsed_s: elapsed.as_secs_f64(),
            workers: workers.collect(),
            programs: ProgramRow::new(worker_stats),
            sandbox,
            ledger: TimeAccounting::new(worker_stats, parent),
        }
    }

    fn table(&self) -> String {
        let names = [
            "worker",
            "pid",
            "jobs",
            "batches",
            "/batch",
            "bytes out",
            "bytes in",
            "start ms",
            "busy s",
            "life s",
            "busy",
        ];
        let rows = self.workers.iter().map(WorkerRow::cells);
        let mut text = String::new();
        for cells in once(names.map(str::to_owned)).chain(rows) {
            let line: Vec<String> =
                cells.iter().zip(WIDTHS).map(|(cell, width)| format!("{cell:>width$}")).collect();
            let _ = writeln!(text, "{}", line.join(" "));
        }
        if !self.programs.is_empty() {
            let ProgramRow { started, replaced, crashed } = self.programs;
            let _ = writeln!(text, "\nprograms: {started} started, {replaced} replaced, {crashed} crashed");
        }
        if let Some(sandbox) = &self.sandbox {
            let _ = writeln!(text, "\nsandbox: {}", sandbox.text());
        }
        text + "\n" + &self.ledger.table(self.jobs)
    }

    /// Prints the statistics to standard error.
    pub(crate) fn print(&self, format: StatsFormat) -> io::Result<()> {
        screen::print_error(self.text(format)?.as_bytes())
    }

    /// Writes the statistics to a file.
    pub(crate) fn write(&self, format: StatsFormat, file: File) -> io::Result<()> {
        LineWriter::new(file).write_all(self.text(format)?.as_bytes())
    }

    fn text(&self, format: StatsFormat) -> io::Result<String> {
        match format {
            StatsFormat::Text => Ok(self.table()),
            StatsFormat::Json => Ok(serde_json::to_string(self).map_err(io::Error::other)? + "\n"),
        }
    }
}

/// Widths of the columns of the table. With separators the table is at most 100 columns wide.
const WIDTHS: [usize; 11] = [10, 7, 10, 9, 8, 9, 9, 8, 8, 8, 4];

impl SandboxRow {
    /// Returns `None` if the jobs do not run on worker processes of this machine.
    pub(crate) fn new(plan: &Plan) -> Option<SandboxRow> {
        let is_local = plan.cluster.is_none() && plan.executor == ExecutorKind::Processes;
        is_local.then(|| SandboxRow { level: plan.sandbox.level().to_string(), gaps: plan.sandbox.gaps() })
    }

    fn text(&self) -> String {
        match self.gaps.is_empty() {
            true => self.level.clone(),
            false => format!("{}, incomplete: {}", self.level, self.gaps.join("; ")),
        }
    }
}

impl ProgramRow {
    fn new(worker_stats: &[WorkerStats]) -> ProgramRow {
        let total = |count: fn(&ProgramStats) -> u32| {
            worker_stats.iter().map(|worker| u64::from(count(&worker.programs))).sum()
        };
        ProgramRow {
            started: total(|programs| programs.started),
            replaced: total(|programs| programs.replaced),
            crashed: total(|programs| programs.crashed),
        }
    }

    fn is_empty(&self) -> bool {
        self.started == 0
    }
}

impl WorkerRow {
    fn cells(&self) -> [String; WIDTHS.len()] {
        let per_batch = self.jobs as f64 / self.batches.max(1) as f64;
        let busy = 100.0 * self.busy_s / self.life_s.max(1e-9);
        [
            format!("{}.{}", self.slot, self.generation),
            self.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            format_count(self.jobs, WIDTHS[2]),
            format_count(self.batches, WIDTHS[3]),
            format_decimal(per_batch, 1, WIDTHS[4]),
            format_count(self.bytes_out, WIDTHS[5]),
            format_count(self.bytes_in, WIDTHS[6]),
            format_decimal(self.start_s * 1e3, 2, WIDTHS[7]),
            format_decimal(self.busy_s, 3, WIDTHS[8]),
            format_decimal(self.life_s, 3, WIDTHS[9]),
            format!("{busy:.0}%"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool::metrics::{Stage, StageTimes, WorkerId};

    /// Returns the table of one worker with these counts and times.
    fn table(slot: u32, count: u64, time: Duration) -> String {
        let mut stage_times = StageTimes::default();
        Stage::ALL.into_iter().for_each(|stage| stage_times.add(stage, time));
        let mut worker = WorkerStats::new(WorkerId { slot, generation: slot });
        worker.pid = Some(4_194_303);
        (worker.jobs, worker.batches) = (count, count / 3);
        (worker.bytes_out, worker.bytes_in) = (count, count);
        (worker.start_time, worker.busy, worker.lifetime, worker.cpu_time) = (time, time, time, time);
        worker.stage_times = stage_times;
        worker.programs = ProgramStats { started: 12, replaced: 10, crashed: 3 };
        Stats::new(&Counts::default(), (&[worker], &ParentTimes::default()), time, None).table()
    }

    #[test]
    fn table_is_at_most_100_columns_wide() {
        let month = Duration::from_secs(31 * 86_400);
        for (slot, count, time) in [
            (0, 7, Duration::from_micros(300)),
            (12, 123_456_789, Duration::from_secs(5_000)),
            (1_023, u64::MAX, month),
        ] {
            let table = table(slot, count, time);
            assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
            assert!(table.lines().take(2).map(str::len).all(|length| length == 100), "{table}");
        }
    }
}
