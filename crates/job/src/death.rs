//! How a worker process ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The end of a worker process, as the system reported it to the parent.
///
/// ```
/// use job::{Death, DeathCause};
///
/// let death = Death { pid: 4711, cause: DeathCause::Signalled(9) };
/// assert_eq!(death.to_string(), "process 4711 was ended by signal 9");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// The process that ended.
    pub pid: u32,
    /// What ended it.
    pub cause: DeathCause,
}

/// What ended a process.
///
/// ```
/// use job::DeathCause;
///
/// fn advice(cause: DeathCause) -> &'static str {
///     match cause {
///         DeathCause::Exited(_) => "some library calls `exit`",
///         DeathCause::Signalled(9) => "somebody killed it, maybe the system for want of memory",
///         DeathCause::Signalled(_) => "it crashed",
///     }
/// }
/// assert_eq!(advice(DeathCause::Signalled(11)), "it crashed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeathCause {
    /// It exited with this code, from 0 to 255. A job that calls `exit` does that, also with 0.
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
