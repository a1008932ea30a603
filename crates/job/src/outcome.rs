//! Outcomes of jobs.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Crash, Death, Job};

/// Outcome of a job: its output, or the reason why there is none.
///
/// ```
/// use job::{JobError, Job, Outcome};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Square(i64);
/// # impl Job for Square {
/// #     const NAME: &'static str = "square";
/// #     type Output = i64;
/// #     type Error = String;
/// #     type Context = ();
/// #     fn run(self, _: &mut ()) -> Result<i64, String> { Ok(self.0 * self.0) }
/// # }
///
/// fn describe(outcome: Outcome<Square>) -> String {
///     match outcome {
///         Ok(square) => format!("{square}"),
///         Err(error) => format!("no output: {error}"),
///     }
/// }
/// assert_eq!(describe(Square(5).run(&mut ()).map_err(JobError::Failed)), "25");
/// assert_eq!(describe(Err(JobError::Cancelled)), "no output: the job was cancelled");
/// ```
pub type Outcome<J> = Result<<J as Job>::Output, JobError<<J as Job>::Error>>;

/// Reason why a job has no output. `E` is the job's own error type, which need not implement `Display`: the
/// text of [`Failed`](JobError::Failed) contains its `Debug` output.
///
/// ```
/// use job::{Death, DeathCause, JobError};
///
/// /// Returns whether the same job may succeed on another attempt.
/// fn is_retryable<E>(error: &JobError<E>) -> bool {
///     match error {
///         JobError::TimedOut { .. } | JobError::Crashed { .. } => true,
///         JobError::Cancelled | JobError::Abandoned(_) => true, // not caused by the job
///         _ => false,
///     }
/// }
/// let death = Death { pid: 4711, cause: DeathCause::Exited(3) };
/// let crashed = JobError::<String>::Crashed { death, attempts: 3, earlier: Box::default(), program: None };
/// assert_eq!(crashed.to_string(), "the worker died: process 4711 exited with code 3 (attempt 3)");
/// assert!(is_retryable(&crashed) && !is_retryable(&JobError::Failed("no such file")));
/// ```
#[derive(Clone, Debug, thiserror::Error)]
pub enum JobError<E> {
    /// The job returned this error.
    #[error("the job failed: {0:?}")]
    Failed(E),
    /// The job panicked; its worker continues.
    #[error("the job panicked: {0}")]
    Panicked(Box<Panic>),
    /// The worker died while running the job, on its last attempt.
    #[error("the worker died: {death} (attempt {attempts}){}", earlier_attempts(earlier))]
    Crashed {
        /// Exit status of the worker, or of the program that ran the job for it; of the last attempt.
        death: Death,
        /// Number of times the job was started.
        attempts: u32,
        /// Deaths of earlier attempts with other causes: the first of each cause.
        earlier: Box<[Death]>,
        /// Details of the program that ran the job for the worker, if that crashed.
        program: Option<Arc<Crash>>,
    },
    /// The worker died because it ran out of memory while running the job. Not retried.
    #[error("the worker ran out of memory: {death}{}", earlier_attempts(earlier))]
    Memory {
        /// Exit status of the worker.
        death: Death,
        /// Number of times the job was started.
        attempts: u32,
        /// Deaths of earlier attempts with other causes: the first of each cause.
        earlier: Box<[Death]>,
    },
    /// The job exceeded its time limit, and its worker was killed.
    #[error("the job ran longer than {limit:?} (attempt {attempts}){}", earlier_attempts(earlier))]
    TimedOut {
        /// The limit.
        limit: Duration,
        /// Number of times the job was started.
        attempts: u32,
        /// Deaths of earlier attempts: the first of each cause.
        earlier: Box<[Death]>,
    },
    /// The job was cancelled before it had an outcome.
    #[error("the job was cancelled")]
    Cancelled,
    /// The pool broke before the job had an outcome. All unresolved jobs of the pool have the same cause.
    #[error("the pool broke: {0}")]
    Abandoned(Arc<str>),
    /// The process or cluster node that was to run the job was lost on each attempt, possibly because of
    /// another job that was assigned together with it. Not retried.
    #[error("{cause}")]
    Lost {
        /// Number of times the job was assigned.
        attempts: u32,
        /// Description of the cause.
        cause: Arc<str>,
    },
    /// The job, its output or its error could not be encoded or decoded.
    #[error("{0}")]
    Codec(String),
    /// The executor does not support what the job requires.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// Returns the end of an error message that lists the deaths of earlier attempts; empty if there are none.
fn earlier_attempts(deaths: &[Death]) -> String {
    let deaths: Vec<String> = deaths.iter().map(Death::to_string).collect();
    if deaths.is_empty() { String::new() } else { format!("; earlier attempts: {}", deaths.join(", ")) }
}

/// A panic of a job, caught by its worker.
///
/// ```
/// # use serde::{Deserialize, de::value::{Error, MapDeserializer}};
/// use job::{JobError, Panic};
///
/// # let fields = MapDeserializer::<_, Error>::new([("message", "no digits")].into_iter());
/// # let error = JobError::<String>::Panicked(Box::new(Panic::deserialize(fields)?));
/// // The error of a job that called `panic!("no digits")`, with an unknown location.
/// assert_eq!(error.to_string(), "the job panicked: no digits");
/// if let JobError::Panicked(panic) = error {
///     assert_eq!((panic.message.as_str(), panic.location), ("no digits", None));
/// }
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panic {
    /// Message of the panic.
    pub message: String,
    /// Location as `file:line:column`, if known.
    pub location: Option<String>,
    /// Backtrace, one frame after the other, if enabled by `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE`.
    pub backtrace: Option<String>,
}

/// Formats message and location, and with `{:#}` also the backtrace.
impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(location) = &self.location {
            write!(f, " at {location}")?;
        }
        match &self.backtrace {
            Some(backtrace) if f.alternate() => write!(f, "\n{backtrace}"),
            _ => Ok(()),
        }
    }
}
