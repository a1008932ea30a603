//! Result of the parser of jobs.

use std::time::Duration;

use ops::Builtin;

use super::op::Op;

/// A parsed job.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ParsedJob {
    pub(crate) op: Op,
    /// The `id` as it was written: a JSON string or integer.
    pub(crate) id: Option<Box<str>>,
    pub(crate) job: Builtin,
    /// The job's own time limit (`timeout`).
    pub(crate) limit: Option<Duration>,
    pub(crate) priority: i32,
}
