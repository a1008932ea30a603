//! The end of a process that ran jobs for a worker.

use serde::{Deserialize, Serialize};

use crate::Death;

/// The end of a process that ran a job for a worker, to which the job is charged as it is to the death of a worker. See
/// [`Context::crashed`](crate::Context::crashed).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    /// How it ended.
    pub death: Death,
    /// Name of its program.
    pub program: String,
    /// What happened, after the program's name: "ended with its request unanswered".
    pub message: String,
    /// The last bytes that it wrote to standard error.
    pub stderr: Vec<u8>,
}
