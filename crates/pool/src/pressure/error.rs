//! Error of a submission that does not wait.

use std::fmt;

use crate::SubmitError;

/// Reason why [`try_submit`](crate::Executor::try_submit) did not submit a job.
///
/// ```
/// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
/// use pool::{Executor, ThreadPool, error::TrySubmitError};
///
/// let threads = ThreadPool::builder().workers(1).max_queued(1).build();
/// let first = threads.submit(Gate(1))?; // runs until the gate is opened
/// arrival(); // waits until it runs
/// let second = threads.submit(Gate(2))?;
/// let Err(TrySubmitError::Full(rejected)) = threads.try_submit(Gate(3)) else { panic!("there was room") };
/// assert_eq!(rejected.0, 3);
/// open();
/// assert_eq!(first.result()? + second.result()?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrySubmitError<J> {
    /// The queue is full. Contains the job.
    Full(J),
    /// The executor accepts no more jobs.
    Refused(SubmitError),
}

impl<J> fmt::Debug for TrySubmitError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrySubmitError::Full(_) => f.write_str("Full(..)"),
            TrySubmitError::Refused(error) => f.debug_tuple("Refused").field(error).finish(),
        }
    }
}

impl<J> fmt::Display for TrySubmitError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrySubmitError::Full(_) => f.write_str("the queue is full"),
            TrySubmitError::Refused(error) => error.fmt(f),
        }
    }
}

impl<J> std::error::Error for TrySubmitError<J> {}

impl<J> From<SubmitError> for TrySubmitError<J> {
    fn from(error: SubmitError) -> TrySubmitError<J> {
        TrySubmitError::Refused(error)
    }
}
