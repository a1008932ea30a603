//! Reasons why a job has no output, or was not accepted.

use std::{
    error::Error,
    fmt::{self, Debug, Display},
    sync::Arc,
    time::Duration,
};

use crate::{Crash, Death, ErrorType, Panic};

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

/// Details of [`JobError::Crashed`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the worker died: {death} (attempt {attempts}){}", earlier_attempts(earlier))]
#[non_exhaustive]
pub struct Crashed {
    /// Exit status of the worker, or of the program that ran the job for it; of the last attempt.
    pub death: Death,
    /// Number of times the job was started.
    pub attempts: u32,
    /// Deaths of earlier attempts with other causes: the first of each cause.
    pub earlier: Box<[Death]>,
    /// Details of the program that ran the job for the worker, if that crashed.
    pub program: Option<Arc<Crash>>,
}

impl Crashed {
    /// Describes the last of some attempts that ended alike.
    #[must_use]
    pub fn new(death: Death, attempts: u32) -> Crashed {
        Crashed { death, attempts, earlier: Box::default(), program: None }
    }

    /// Sets the deaths of earlier attempts.
    #[must_use]
    pub fn with_earlier(self, earlier: Box<[Death]>) -> Crashed {
        Crashed { earlier, ..self }
    }

    /// Sets the details of the program that ran the job for the worker.
    #[must_use]
    pub fn with_program(self, program: Option<Arc<Crash>>) -> Crashed {
        Crashed { program, ..self }
    }
}

/// Details of [`JobError::OutOfMemory`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the worker ran out of memory: {death}{}", earlier_attempts(earlier))]
#[non_exhaustive]
pub struct OutOfMemory {
    /// Exit status of the worker.
    pub death: Death,
    /// Number of times the job was started.
    pub attempts: u32,
    /// Deaths of earlier attempts with other causes: the first of each cause.
    pub earlier: Box<[Death]>,
}

impl OutOfMemory {
    /// Describes the last of some attempts that ended alike.
    #[must_use]
    pub fn new(death: Death, attempts: u32) -> OutOfMemory {
        OutOfMemory { death, attempts, earlier: Box::default() }
    }

    /// Sets the deaths of earlier attempts.
    #[must_use]
    pub fn with_earlier(self, earlier: Box<[Death]>) -> OutOfMemory {
        OutOfMemory { earlier, ..self }
    }
}

/// Details of [`JobError::TimedOut`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the job ran longer than {limit:?} (attempt {attempts}){}", earlier_attempts(earlier))]
#[non_exhaustive]
pub struct TimedOut {
    /// The limit.
    pub limit: Duration,
    /// Number of times the job was started.
    pub attempts: u32,
    /// Deaths of earlier attempts: the first of each cause.
    pub earlier: Box<[Death]>,
}

impl TimedOut {
    /// Describes a job that exceeded this limit on each of its attempts.
    #[must_use]
    pub fn new(limit: Duration, attempts: u32) -> TimedOut {
        TimedOut { limit, attempts, earlier: Box::default() }
    }

    /// Sets the deaths of earlier attempts.
    #[must_use]
    pub fn with_earlier(self, earlier: Box<[Death]>) -> TimedOut {
        TimedOut { earlier, ..self }
    }
}

/// Details of [`JobError::Lost`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
#[non_exhaustive]
pub struct Lost {
    /// Number of times the job was assigned.
    pub attempts: u32,
    /// Description of the cause.
    pub cause: Arc<str>,
}

impl Lost {
    /// Describes a job that was lost on each of these attempts, the last time for this cause.
    #[must_use]
    pub fn new(attempts: u32, cause: impl Into<Arc<str>>) -> Lost {
        Lost { attempts, cause: cause.into() }
    }
}

impl<E> JobError<E> {
    /// Returns whether the job exceeded its time limit. An expired wait is [`NotReady`](JobError::NotReady)
    /// and not a timeout of the job.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, JobError::TimedOut(_))
    }

    /// Returns whether the worker died while running the job, for another reason than a lack of memory.
    #[must_use]
    pub fn is_crash(&self) -> bool {
        matches!(self, JobError::Crashed(_))
    }

    /// Returns whether the worker ran out of memory while running the job.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        matches!(self, JobError::OutOfMemory(_))
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

/// Returns the end of an error message that lists the deaths of earlier attempts; empty if there are none.
fn earlier_attempts(deaths: &[Death]) -> String {
    let deaths: Vec<String> = deaths.iter().map(Death::to_string).collect();
    if deaths.is_empty() { String::new() } else { format!("; earlier attempts: {}", deaths.join(", ")) }
}

#[cfg(test)]
mod tests {
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
        let errors: [JobError<()>; 4] = [
            TimedOut::new(Duration::from_secs(1), 1).into(),
            Crashed::new(death, 1).into(),
            OutOfMemory::new(death, 1).into(),
            JobError::Cancelled,
        ];
        let predicates =
            [JobError::is_timeout, JobError::is_crash, JobError::is_memory, JobError::is_cancelled];
        for (at, error) in errors.iter().enumerate() {
            let found: Vec<usize> = (0..4).filter(|&kind| predicates[kind](error)).collect();
            assert_eq!(found, [at]);
        }
    }

    #[test]
    fn is_small_enough_to_be_moved_with_each_outcome() {
        assert!(size_of::<JobError<RemoteError>>() <= 24);
    }
}
