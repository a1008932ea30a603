//! Crash of a program that ran jobs for a worker.

use serde::{Deserialize, Serialize};

use crate::Death;

/// Crash of a program that ran a job for a worker. It counts like the death of a worker; see
/// [`Context::crashed`](crate::Context::crashed).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    /// Exit status of the program.
    pub death: Death,
    /// Name of the program.
    pub program: String,
    /// What happened, as the predicate of a sentence after the program's name.
    pub message: String,
    /// The last bytes that the program wrote to standard error.
    pub stderr: Vec<u8>,
}
