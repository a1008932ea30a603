//! Counts and times of each worker.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::File,
    io::{self, Write},
    time::Duration,
};

use pool::WorkerFigures;
use serde::Serialize;

use super::ledger::{Ledger, Parent, seconds};
use crate::{
    args::StatsFormat,
    output::{Counts, Kind, LineWriter},
    screen,
};

/// What `--stats=json` prints; durations are in seconds.
#[derive(Debug, Serialize)]
pub(crate) struct Stats {
    jobs: u64,
    ok: u64,
    failed: u64,
    elapsed_s: f64,
    workers: Vec<WorkerStats>,
    ledger: Ledger,
}

#[derive(Debug, Serialize)]
struct WorkerStats {
    slot: u32,
    generation: u32,
    pid: Option<u32>,
    jobs: u64,
    frames: u64,
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
        (figures, parent): (&[WorkerFigures], &Parent),
        elapsed: Duration,
    ) -> Stats {
        let workers = figures.iter().map(|worker| WorkerStats {
            slot: worker.worker.slot,
            generation: worker.worker.generation,
            pid: worker.pid,
            jobs: worker.jobs,
            frames: worker.frames,
            bytes_out: worker.bytes_out,
            bytes_in: worker.bytes_in,
            start_s: worker.start.as_secs_f64(),
            busy_s: worker.busy.as_secs_f64(),
            life_s: worker.life.as_secs_f64(),
            stages_s: seconds(&worker.spent),
        });
        Stats {
            jobs: counts.done(),
            ok: counts.of(Kind::Succeeded),
            failed: counts.failed(),
            elapsed_s: elapsed.as_secs_f64(),
            workers: workers.collect(),
            ledger: Ledger::new(figures, parent),
        }
    }

    fn table(&self) -> String {
        let mut text = format!(
            "{:>7} {:>8} {:>10} {:>8} {:>9} {:>12} {:>12} {:>9} {:>9} {:>9} {:>5}\n",
            "worker",
            "pid",
            "jobs",
            "frames",
            "jobs/fr.",
            "bytes out",
            "bytes in",
            "start ms",
            "busy s",
            "life s",
            "busy"
        );
        for worker in &self.workers {
            let _ = writeln!(
                text,
                "{:>7} {:>8} {:>10} {:>8} {:>9.1} {:>12} {:>12} {:>9.2} {:>9.3} {:>9.3} {:>4.0}%",
                format!("{}.{}", worker.slot, worker.generation),
                worker.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
                worker.jobs,
                worker.frames,
                worker.jobs as f64 / worker.frames.max(1) as f64,
                worker.bytes_out,
                worker.bytes_in,
                worker.start_s * 1e3,
                worker.busy_s,
                worker.life_s,
                100.0 * worker.busy_s / worker.life_s.max(1e-9),
            );
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
