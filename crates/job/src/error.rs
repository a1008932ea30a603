//! Reasons why a job has no output, or was not accepted.

mod details;

use std::{
    error::Error,
    fmt::{self, Debug, Display},
    sync::Arc,
};

pub use details::{Crashed, Denied, Lost, OutOfMemory, TimedOut};

use crate::{Death, ErrorType, Panic};

/// Reason why a job has no output, or why its outcome is not available. `E` is the job's own error type.
///
/// [`Display`] and [`source`](Error::source) of [`Failed`](JobError::Failed) are those of the job's own
/// error. If `E` is an error type, that is, if it implements [`Error`] or is a
/// [`RemoteError`](crate::RemoteError), a `JobError<E>` is one as well and can be passed on by `?`.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use std::{error::Error, num::ParseIntError};
/// use pool::{JobError, error::{Crashed, Death, DeathCause}};
///
/// let failed = JobError::Failed("12a".parse::<u32>().unwrap_err());
/// assert_eq!(failed.to_string(), "invalid digit found in string");
///
/// let death = Death { pid: 4711, cause: DeathCause::Signalled(11) };
/// let crashed: JobError<ParseIntError> = Crashed::new(death, 3).into();
/// assert!(crashed.is_crash());
/// assert_eq!(crashed.signal_name(), Some("SIGSEGV"));
/// let error: Box<dyn Error> = crashed.into();
/// assert_eq!(
///     error.to_string(),
///     "the worker died: process 4711 was killed by signal 11 (SIGSEGV) (attempt 3)"
/// );
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum JobError<E> {
    /// The job returned this error.
    Failed(E),
    /// The job panicked; its worker continues.
    Panicked(Box<Panic>),
    /// The worker died while running the job, on its last attempt.
    Crashed(Box<Crashed>),
    /// The worker died because it ran out of memory while running the job. Not retried.
    OutOfMemory(Box<OutOfMemory>),
    /// The job did what the sandbox forbids, and its worker was killed for it. Not retried.
    Denied(Box<Denied>),
    /// The job exceeded its time limit, and its worker was killed.
    TimedOut(Box<TimedOut>),
    /// The job was cancelled before it had an outcome.
    Cancelled,
    /// The executor broke, for this reason, before the job had an outcome.
    Broken(Arc<str>),
    /// The process or cluster node that was to run the job was lost on each attempt, possibly because of
    /// another job that was assigned together with it. Not retried.
    Lost(Box<Lost>),
    /// The job, its output or its error could not be encoded or decoded.
    Codec(Box<str>),
    /// The executor does not support what the job requires.
    Unsupported(&'static str),
    /// The executor did not accept the job.
    Refused(SubmitError),
    /// The timeout of a wait expired before the job had an outcome. The job continues.
    NotReady,
    /// The outcome has already been moved out, by another clone of the job's future.
    Taken,
}

/// Reason why an executor did not accept a job.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::error::SubmitError;
///
/// let broken = SubmitError::Broken("the workers cannot be started".into());
/// assert_eq!(broken.to_string(), "the executor is broken: the workers cannot be started");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The executor was closed or stopped.
    #[error("the executor is closed")]
    Closed,
    /// The executor is broken, for this reason.
    #[error("the executor is broken: {0}")]
    Broken(Arc<str>),
}

impl<E> JobError<E> {
    /// Returns whether the job exceeded its time limit. An expired wait is [`NotReady`](JobError::NotReady)
    /// and not a timeout of the job.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, JobError::TimedOut(_))
    }

    /// Returns whether the worker died while running the job, for another reason than a lack of memory or a
    /// sandbox.
    #[must_use]
    pub fn is_crash(&self) -> bool {
        matches!(self, JobError::Crashed(_))
    }

    /// Returns whether the worker ran out of memory while running the job.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        matches!(self, JobError::OutOfMemory(_))
    }

    /// Returns whether the worker was killed because the job did what the sandbox forbids.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self, JobError::Denied(_))
    }

    /// Returns whether the job was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, JobError::Cancelled)
    }

    /// Returns how the worker died, if that is the reason.
    #[must_use]
    pub fn death(&self) -> Option<Death> {
        match self {
            JobError::Crashed(crashed) => Some(crashed.death),
            JobError::OutOfMemory(exhausted) => Some(exhausted.death),
            JobError::Denied(denied) => Some(denied.death),
            _ => None,
        }
    }

    /// Returns the name of the signal that killed the worker, such as `SIGSEGV`, if that is the reason.
    #[must_use]
    pub fn signal_name(&self) -> Option<&'static str> {
        self.death()?.signal_name()
    }

    /// Returns how often the job was attempted, if the reason is one for which jobs are attempted again.
    #[must_use]
    pub fn attempts(&self) -> Option<u32> {
        match self {
            JobError::Crashed(crashed) => Some(crashed.attempts),
            JobError::OutOfMemory(exhausted) => Some(exhausted.attempts),
            JobError::Denied(denied) => Some(denied.attempts),
            JobError::TimedOut(timed_out) => Some(timed_out.attempts),
            JobError::Lost(lost) => Some(lost.attempts),
            _ => None,
        }
    }

    /// Replaces the job's own error by the result of `convert`.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::JobError;
    ///
    /// let error = JobError::Failed(7).map(|code: i32| format!("code {code}"));
    /// assert_eq!(error.to_string(), "code 7");
    /// ```
    pub fn map<F>(self, convert: impl FnOnce(E) -> F) -> JobError<F> {
        self.and_then(|error| JobError::Failed(convert(error)))
    }

    /// Replaces the job's own error by the reason that `convert` returns; keeps all other reasons.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::JobError;
    ///
    /// fn decode(text: String) -> JobError<u32> {
    ///     text.parse().map_or(JobError::Codec("not a number".into()), JobError::Failed)
    /// }
    /// assert!(matches!(JobError::Failed("7".to_owned()).and_then(decode), JobError::Failed(7)));
    /// assert!(matches!(JobError::Failed("x".to_owned()).and_then(decode), JobError::Codec(_)));
    /// ```
    pub fn and_then<F>(self, convert: impl FnOnce(E) -> JobError<F>) -> JobError<F> {
        match self {
            JobError::Failed(error) => convert(error),
            JobError::Panicked(panic) => JobError::Panicked(panic),
            JobError::Crashed(crashed) => JobError::Crashed(crashed),
            JobError::OutOfMemory(exhausted) => JobError::OutOfMemory(exhausted),
            JobError::Denied(denied) => JobError::Denied(denied),
            JobError::TimedOut(timed_out) => JobError::TimedOut(timed_out),
            JobError::Cancelled => JobError::Cancelled,
            JobError::Broken(cause) => JobError::Broken(cause),
            JobError::Lost(lost) => JobError::Lost(lost),
            JobError::Codec(message) => JobError::Codec(message),
            JobError::Unsupported(message) => JobError::Unsupported(message),
            JobError::Refused(refusal) => JobError::Refused(refusal),
            JobError::NotReady => JobError::NotReady,
            JobError::Taken => JobError::Taken,
        }
    }
}

impl<E: Display> Display for JobError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobError::Failed(error) => Display::fmt(error, f),
            JobError::Panicked(panic) => {
                f.write_str("the job panicked: ")?;
                Display::fmt(panic, f)
            }
            JobError::Crashed(crashed) => Display::fmt(crashed, f),
            JobError::OutOfMemory(exhausted) => Display::fmt(exhausted, f),
            JobError::Denied(denied) => Display::fmt(denied, f),
            JobError::TimedOut(timed_out) => Display::fmt(timed_out, f),
            JobError::Cancelled => f.write_str("the job was cancelled"),
            JobError::Broken(cause) => write!(f, "the executor broke: {cause}"),
            JobError::Lost(lost) => Display::fmt(lost, f),
            JobError::Codec(message) => f.write_str(message),
            JobError::Unsupported(message) => f.write_str(message),
            JobError::Refused(refusal) => Display::fmt(refusal, f),
            JobError::NotReady => f.write_str("timed out: the job has no outcome yet"),
            JobError::Taken => f.write_str("the outcome of the job has already been taken"),
        }
    }
}

impl<E: ErrorType + Debug + Display> Error for JobError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            JobError::Failed(error) => error.as_error().source(),
            JobError::Refused(refusal) => refusal.source(),
            _ => None,
        }
    }
}

impl<E> From<Crashed> for JobError<E> {
    fn from(crashed: Crashed) -> JobError<E> {
        JobError::Crashed(Box::new(crashed))
    }
}

impl<E> From<OutOfMemory> for JobError<E> {
    fn from(exhausted: OutOfMemory) -> JobError<E> {
        JobError::OutOfMemory(Box::new(exhausted))
    }
}

impl<E> From<Denied> for JobError<E> {
    fn from(denied: Denied) -> JobError<E> {
        JobError::Denied(Box::new(denied))
    }
}

impl<E> From<TimedOut> for JobError<E> {
    fn from(timed_out: TimedOut) -> JobError<E> {
        JobError::TimedOut(Box::new(timed_out))
    }
}

impl<E> From<Lost> for JobError<E> {
    fn from(lost: Lost) -> JobError<E> {
        JobError::Lost(Box::new(lost))
    }
}

impl<E> From<SubmitError> for JobError<E> {
    /// Returns [`JobError::Refused`], so that `?` submits a job and waits for it in one function.
    fn from(refused: SubmitError) -> JobError<E> {
        JobError::Refused(refused)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::RemoteError;

    #[test]
    fn display_and_source_are_those_of_the_jobs_own_error() {
        let io = std::io::Error::other("disk full");
        let error = JobError::Failed(RemoteError::from(std::io::Error::other(io)));
        assert_eq!(error.to_string(), "disk full");
        let passed_on: Box<dyn Error> = error.into();
        assert!(passed_on.source().is_none(), "an io::Error shows its own source as its message");
    }

    #[test]
    fn each_kind_of_error_is_recognised_by_one_predicate() {
        let death = Death { pid: 1, cause: crate::DeathCause::Signalled(9) };
        let errors: [JobError<()>; 5] = [
            TimedOut::new(Duration::from_secs(1), 1).into(),
            Crashed::new(death, 1).into(),
            OutOfMemory::new(death, 1).into(),
            Denied::new(death, 1).into(),
            JobError::Cancelled,
        ];
        let predicates = [
            JobError::is_timeout,
            JobError::is_crash,
            JobError::is_memory,
            JobError::is_denied,
            JobError::is_cancelled,
        ];
        for (at, error) in errors.iter().enumerate() {
            let found: Vec<usize> = (0..5).filter(|&kind| predicates[kind](error)).collect();
            assert_eq!(found, [at]);
        }
    }

    #[test]
    fn is_small_enough_to_be_moved_with_each_outcome() {
        assert!(size_of::<JobError<RemoteError>>() <= 24);
    }
}
