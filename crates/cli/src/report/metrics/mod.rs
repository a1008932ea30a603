//! Metrics of a run in a file for Prometheus (`--metrics`).
//!
//! | module | content |
//! |---|---|
//! | `recorder` | counts and durations, recorded as they happen |
//! | `histogram` | histogram of durations |
//! | `exposition` | the text format |
//!
//! A thread writes the file every few seconds. Without the option there is no recorder and no thread.

mod exposition;
mod histogram;
mod recorder;

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use self::exposition::{
    Exposition,
    MetricType::{Counter, Gauge, Histogram},
};
use super::RunView;
use crate::{
    error::{RunError, print},
    files::AtomicFile,
    output::OutcomeKind,
};

pub(crate) use self::recorder::MetricsRecorder;

/// The thread that writes the metrics.
pub(crate) struct MetricsThread {
    stop: Sender<()>,
    thread: JoinHandle<MetricsWriter>,
}

/// Writer of the metrics of a run.
pub(crate) struct MetricsWriter {
    file: AtomicFile,
    /// Value of the label `run`.
    run: String,
    recorder: Arc<MetricsRecorder>,
    view: Arc<RunView>,
    /// Start of the run in seconds since 1970.
    start_time: f64,
}

impl MetricsThread {
    /// Writes the file for the first time and starts the thread, which writes it every `interval`.
    ///
    /// # Errors
    /// If the file cannot be written, or the thread cannot be started.
    pub(crate) fn start(writer: MetricsWriter, interval: Duration) -> Result<MetricsThread, RunError> {
        writer.write(false).map_err(RunError::WriteMetrics)?;
        let (stop, stopped) = channel();
        let thread = thread::Builder::new().name("runner-metrics".into());
        let thread = thread.spawn(move || writer.run(&stopped, interval)).map_err(RunError::Thread)?;
        Ok(MetricsThread { stop, thread })
    }

    /// Ends the thread and writes the file for the last time.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn finish(self) -> io::Result<()> {
        drop(self.stop);
        self.thread.join().map_or_else(|_| Err(io::Error::other("a panic")), |writer| writer.write(true))
    }
}

impl MetricsWriter {
    /// Creates a writer to the file, whose name without extension becomes the value of the label `run`.
    pub(crate) fn new(
        (path, file): (&Path, AtomicFile),
        recorder: Arc<MetricsRecorder>,
        view: Arc<RunView>,
    ) -> MetricsWriter {
        let run = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start_time = now.saturating_sub(view.start.elapsed()).as_secs_f64();
        MetricsWriter { file, run, recorder, view, start_time }
    }

    fn run(self, stopped: &Receiver<()>, interval: Duration) -> MetricsWriter {
        let mut is_reported = false;
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(interval) {
            // The disk may have room again later. An error of the last write ends the run with exit code 3.
            if let Err(error) = self.write(false)
                && !std::mem::replace(&mut is_reported, true)
            {
                print(&RunError::WriteMetrics(error));
            }
        }
        self
    }

    fn write(&self, is_finished: bool) -> io::Result<()> {
        let mut exposition = Exposition::new(&self.run);
        self.add_jobs(&mut exposition);
        self.add_workers(&mut exposition);
        self.add_run(&mut exposition, is_finished);
        self.file.write(exposition.into_text().as_bytes())
    }

    fn add_jobs(&self, to: &mut Exposition) {
        let (ops, _) = self.recorder.recorded();
        let (counts, _) = self.view.counts();
        let read = "Jobs that were read, including invalid ones.";
        to.single("runner_jobs_read_total", Counter, read, counts.read as f64);
        to.metric("runner_jobs_total", Counter, "Jobs that have an outcome, by op and outcome.");
        for (op, record) in &ops {
            for kind in OutcomeKind::ALL {
                if record.by_kind[kind as usize] > 0 || kind == OutcomeKind::Succeeded {
                    let labels = [("op", *op), ("outcome", kind.name())];
                    to.sample("runner_jobs_total", &labels, record.by_kind[kind as usize] as f64);
                }
            }
        }
        let invalid = counts.of(OutcomeKind::Invalid) as f64;
        to.single("runner_jobs_invalid_total", Counter, "Jobs whose text is not a valid job.", invalid);
        let recorded = "Jobs whose record was taken from the journal of an earlier run.";
        to.single("runner_jobs_recorded_total", Counter, recorded, counts.recorded as f64);
        to.metric("runner_job_duration_seconds", Histogram, "Time that jobs ran in workers, by op.");
        for (op, record) in ops.iter().filter(|(_, record)| record.durations.count() > 0) {
            to.histogram("runner_job_duration_seconds", ("op", op), &record.durations);
        }
        if self.view.counts_jobs {
            let jobs = self.view.executor.counts();
            let retries = "Failed attempts that were followed by another attempt of the same job.";
            to.single("runner_job_retries_total", Counter, retries, jobs.retried as f64);
            to.single("runner_jobs_queued", Gauge, "Jobs that wait for a worker.", jobs.queued as f64);
            to.single("runner_jobs_assigned", Gauge, "Jobs that workers have.", jobs.running as f64);
        }
    }

    fn add_workers(&self, to: &mut Exposition) {
        let Some(pool) = &self.view.pool else { return };
        let (_, events) = self.recorder.recorded();
        for (name, help, count) in [
            ("runner_worker_starts_total", "Workers that were started.", events.starts),
            ("runner_worker_restarts_total", "Workers that replaced another one.", events.restarts),
            ("runner_worker_start_failures_total", "Workers that did not start.", events.failed_starts),
            (
                "runner_worker_crashes_total",
                "Workers that died or were killed because of a limit.",
                events.crashes,
            ),
        ] {
            to.single(name, Counter, help, count as f64);
        }
        let states = pool.worker_states();
        let count = |is_counted: &dyn Fn(&pool::metrics::WorkerState) -> bool| {
            states.iter().filter(|worker| is_counted(worker)).count() as f64
        };
        to.metric("runner_workers", Gauge, "Workers by state.");
        to.sample("runner_workers", &[("state", "starting")], count(&|worker| !worker.is_ready));
        let idle = count(&|worker| worker.is_ready && worker.assigned == 0);
        to.sample("runner_workers", &[("state", "idle")], idle);
        let busy = count(&|worker| worker.is_ready && worker.assigned > 0);
        to.sample("runner_workers", &[("state", "busy")], busy);
        let resident = "Resident memory of a worker and its child processes.";
        to.metric("runner_worker_resident_bytes", Gauge, resident);
        let mut sizes = pool.resident_sizes();
        // A worker that is exiting can still be in the slot of the next one.
        sizes.dedup_by_key(|(worker, _)| worker.slot);
        for (worker, bytes) in sizes {
            let slot = worker.slot.to_string();
            to.sample("runner_worker_resident_bytes", &[("slot", &slot)], bytes as f64);
        }
    }

    fn add_run(&self, to: &mut Exposition, is_finished: bool) {
        let (pauses, paused) = self.view.pauses.total(Instant::now());
        let is_paused = f64::from(u8::from(self.view.pauses.current().is_some()));
        to.single("runner_paused", Gauge, "Whether the run gives way to other work: 0 or 1.", is_paused);
        to.single(
            "runner_pauses_total",
            Counter,
            "Times that the run gave way to other work.",
            pauses as f64,
        );
        let paused_help = "Time in which the run gave way to other work.";
        to.single("runner_paused_seconds_total", Counter, paused_help, paused.as_secs_f64());
        let start_help = "Start of the run, in seconds since 1970.";
        to.single("runner_start_time_seconds", Gauge, start_help, self.start_time);
        let finished = f64::from(u8::from(is_finished));
        to.single("runner_finished", Gauge, "Whether the run has ended: 0 or 1.", finished);
    }
}
