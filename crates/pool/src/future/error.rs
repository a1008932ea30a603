//! Errors of submitting a job and of requesting its output.

use std::sync::Arc;

use job::JobError;

/// Reason why an executor did not accept a job.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, SubmitError, Serial};
///
/// let serial = Serial::new(());
/// serial.close();
/// assert_eq!(serial.submit(Square(3)).err(), Some(SubmitError::Closed));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The executor was closed or stopped.
    #[error("the executor is closed")]
    Closed,
    /// The executor is [broken](crate::Executor::broken), for this reason.
    #[error("the executor is broken: {0}")]
    Broken(Arc<str>),
}

/// Reason why a job's output is not available.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, JobError, ResultError, Serial};
///
/// let job = Serial::new(()).submit(Square(u64::MAX))?;
/// match job.result(None) {
///     Err(ResultError::Failed(JobError::Failed(error))) => assert!(error.ends_with("overflows")),
///     Err(other) => panic!("no outcome: {other}"),
///     Ok(square) => panic!("a square of {square}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, thiserror::Error)]
pub enum ResultError<E> {
    /// The timeout expired before the job had an outcome. The job continues.
    #[error("timed out: the job has no outcome yet")]
    TimedOut,
    /// The job ended without an output.
    #[error(transparent)]
    Failed(#[from] JobError<E>),
    /// The outcome has already been moved out.
    #[error("the outcome of the job has already been taken")]
    AlreadyTaken,
    /// The executor did not accept the job.
    #[error(transparent)]
    Refused(SubmitError),
}
