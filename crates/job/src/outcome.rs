//! How a job can end.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Crash, Death, Job};

/// The end of one job: its output, or why there is none.
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
/// fn tell(outcome: Outcome<Square>) -> String {
///     match outcome {
///         Ok(square) => format!("{square}"),
///         Err(failure) => format!("none, because {failure}"),
///     }
/// }
/// assert_eq!(tell(Square(5).run(&mut ()).map_err(JobError::Failed)), "25");
/// assert_eq!(tell(Err(JobError::Cancelled)), "none, because the job was cancelled");
/// ```
pub type Outcome<J> = Result<<J as Job>::Output, JobError<<J as Job>::Error>>;

/// Why a job has no output. `E` is the job's own error type.
///
/// As text, [`Failed`](JobError::Failed) does not tell the job's error, which need not have one: match on it.
///
/// ```
/// use job::{Death, DeathCause, JobError};
///
/// /// Whether the same job may do better another time.
/// fn is_worth_another_try<E>(failure: &JobError<E>) -> bool {
///     match failure {
///         JobError::TimedOut { .. } | JobError::Crashed { .. } => true,
///         JobError::Cancelled | JobError::Abandoned(_) => true, // it was not the job's fault
///         _ => false,
///     }
/// }
/// let death = Death { pid: 4711, cause: DeathCause::Exited(3) };
/// let crashed = JobError::<String>::Crashed { death, attempts: 3, earlier: Box::default(), program: None };
/// assert_eq!(crashed.to_string(), "the job's worker died: process 4711 exited with code 3 (attempt 3)");
/// assert!(is_worth_another_try(&crashed) && !is_worth_another_try(&JobError::Failed("no such file")));
/// ```
#[derive(Clone, Debug, thiserror::Error)]
pub enum JobError<E> {
    /// The job ran and reported this error.
    #[error("the job failed: {0:?}")]
    Failed(E),
    /// The job panicked; its worker lives on.
    #[error("the job panicked: {0}")]
    Panicked(Box<Panic>),
    /// Its worker died in it, on each of this many attempts; the death is the last one.
    #[error("the job's worker died: {death} (attempt {attempts}){}", and_earlier(earlier))]
    Crashed {
        /// How the worker ended, or the process that ran the job for it.
        death: Death,
        /// How often the job was started.
        attempts: u32,
        /// Deaths of earlier attempts that had other causes: the first of each cause.
        earlier: Box<[Death]>,
        /// The process that ran the job for the worker, if that has ended.
        program: Option<Arc<Crash>>,
    },
    /// Its worker ran out of memory in it, and died of that. It is not tried again.
    #[error("the job needed more memory than there was: {death}{}", and_earlier(earlier))]
    Memory {
        /// How the worker ended.
        death: Death,
        /// How often the job was started.
        attempts: u32,
        /// Deaths of earlier attempts that had other causes: the first of each cause.
        earlier: Box<[Death]>,
    },
    /// It ran past its time limit and its worker was killed.
    #[error("the job ran longer than {limit:?} (attempt {attempts}){}", and_earlier(earlier))]
    TimedOut {
        /// The limit that it passed.
        limit: Duration,
        /// How often the job was started.
        attempts: u32,
        /// Deaths of earlier attempts: the first of each cause.
        earlier: Box<[Death]>,
    },
    /// It was cancelled before it had an outcome.
    #[error("the job was cancelled")]
    Cancelled,
    /// The pool broke before the job had an outcome; every job it still held shares the cause.
    #[error("the pool broke: {0}")]
    Abandoned(Arc<str>),
    /// Whoever was to run it was lost, on each of this many attempts, which may be the fault of another job that travelled
    /// with it. It is not tried again.
    #[error("{cause}")]
    Lost {
        /// How often it was handed to somebody.
        attempts: u32,
        /// What is known of it.
        cause: Arc<str>,
    },
    /// The job, its output or its error could not be encoded or decoded.
    #[error("{0}")]
    Codec(String),
    /// The executor cannot do what the job asks for.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// Text that follows a failure whose earlier attempts ended in other ways.
fn and_earlier(deaths: &[Death]) -> String {
    let deaths: Vec<String> = deaths.iter().map(Death::to_string).collect();
    if deaths.is_empty() { String::new() } else { format!("; earlier attempts: {}", deaths.join(", ")) }
}

/// What is known of a panic that was caught.
///
/// ```
/// # use serde::{Deserialize, de::value::{Error, MapDeserializer}};
/// use job::{JobError, Panic};
///
/// # let fields = MapDeserializer::<_, Error>::new([("message", "no digits")].into_iter());
/// # let failure = JobError::<String>::Panicked(Box::new(Panic::deserialize(fields)?));
/// // The failure of a job that called `panic!("no digits")` without a known place.
/// assert_eq!(failure.to_string(), "the job panicked: no digits");
/// if let JobError::Panicked(panic) = failure {
///     assert_eq!((panic.message.as_str(), panic.location), ("no digits", None));
/// }
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panic {
    /// The panic's message.
    pub message: String,
    /// `file:line:column`, where it is known.
    pub location: Option<String>,
    /// The calls that led to it, one batch after the other, where `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` asks for
    /// them.
    pub backtrace: Option<String>,
}

/// Message and place; the backtrace too with `{:#}`.
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
