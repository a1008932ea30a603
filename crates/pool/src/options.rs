//! Per-job options and per-worker reports.

use std::{sync::Arc, time::Duration};

use job::{Context, Job, WorkerId};

/// Report of a worker that exited normally; see [`Context::finish`].
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, Serial, worker::WorkerReport};
///
/// let serial = Serial::new(());
/// serial.submit(Square(5))?;
/// serial.join();
/// let report: WorkerReport<Square> = serial.reports().remove(0);
/// assert_eq!((report.worker.slot, report.report), (0, Ok(())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WorkerReport<J: Job> {
    /// The worker.
    pub worker: WorkerId,
    /// Value returned by [`Context::finish`], or the reason why it failed.
    pub report: Result<<J::Context as Context>::Report, Arc<str>>,
}

/// Options of a single job.
///
/// ```
/// use std::time::Duration;
/// use pool::settings::JobOptions;
///
/// let unlimited = JobOptions::default();
/// assert_eq!(unlimited.time_limit, None);
/// let limited = JobOptions { time_limit: Some(Duration::from_millis(100)) };
/// assert_ne!(limited, unlimited);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobOptions {
    /// Time limit of each attempt; overrides the pool's time limit. Requires worker processes: on other
    /// executors the job fails with [`JobError::Unsupported`](crate::JobError::Unsupported).
    pub time_limit: Option<Duration>,
}
