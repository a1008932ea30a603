//! Error of a measurement.

use std::fmt::{self, Display};

/// A sweep could not be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The pool has no workers; the text is the cause.
    Workers(String),
    /// A job failed or returned a wrong result, so the times of the run are meaningless.
    Jobs {
        /// The executor and its number of workers, or the plain loop.
        executor: String,
        /// Cause of the failure.
        cause: String,
    },
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Workers(cause) => f.write_str(cause),
            Error::Jobs { executor, cause } => write!(f, "{executor}: {cause}"),
        }
    }
}

impl std::error::Error for Error {}
