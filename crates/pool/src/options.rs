//! What goes to an executor with a job, and what comes from a worker with its leaving.

use std::{sync::Arc, time::Duration};

use job::{Context, Job, WorkerId};

/// The last words of a worker that left in good order; see [`Context::finish`].
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, Serial, WorkerReport};
///
/// let serial = Serial::new(());
/// serial.submit(Square(5))?;
/// serial.shutdown(true, false);
/// let report: WorkerReport<Square> = serial.reports().remove(0);
/// assert_eq!((report.worker.slot, report.report), (0, Ok(())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WorkerReport<J: Job> {
    /// Which worker it was.
    pub worker: WorkerId,
    /// What its state reported, or why it could not.
    pub report: Result<<J::Context as Context>::Report, Arc<str>>,
}

/// What one job asks for.
///
/// ```
/// use std::time::Duration;
/// use pool::JobOptions;
///
/// let patient = JobOptions::default();
/// assert_eq!(patient.time_limit, None);
/// let limited = JobOptions { time_limit: Some(Duration::from_millis(100)) };
/// assert_ne!(limited, patient);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobOptions {
    /// Its own time limit, before the pool's. Needs worker processes; elsewhere the job fails.
    pub time_limit: Option<Duration>,
}
