//! How a worker process ended.

use std::fmt;

/// The end of a worker process, as the system reported it to the parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// The process that ended.
    pub pid: u32,
    /// What ended it.
    pub cause: DeathCause,
}

/// What ended a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeathCause {
    /// It exited with this code.
    Exited(i32),
    /// A signal of this number ended it.
    Signalled(i32),
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            DeathCause::Exited(code) => write!(f, "process {} exited with code {code}", self.pid),
            DeathCause::Signalled(signal) => write!(f, "process {} was ended by signal {signal}", self.pid),
        }
    }
}
