//! Why there is no report.

use std::fmt::{self, Display};

/// Why a sweep could not be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// There are no workers, for this reason.
    Workers(String),
    /// A job was not done, or wrongly: figures of such a run mean nothing.
    Jobs {
        /// Who did not do it.
        who: String,
        /// What happened.
        what: String,
    },
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Workers(why) => f.write_str(why),
            Error::Jobs { who, what } => write!(f, "{who}: {what}"),
        }
    }
}

impl std::error::Error for Error {}
