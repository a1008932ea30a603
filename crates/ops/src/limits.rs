//! Limits and permissions of jobs.

use sandbox::Sandbox;
use serde::{Deserialize, Serialize};

use crate::program::ProgramDefinition;

/// Maximum number of divisors of a number; with more, the job fails, because the list would be too long to
/// use.
pub const MAX_DIVISORS: usize = 1 << 20;

/// Settings that every worker receives before its first job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Allows `command` jobs to run.
    pub allow_command: bool,
    /// Number of bytes of each output stream of a program that are kept.
    pub max_output: u64,
    /// Maximum length of a result in bytes of text; a job with a longer result fails.
    pub max_result: u64,
    /// Programs of user-defined ops.
    pub programs: Vec<ProgramDefinition>,
    /// Restrictions of programs, of `command` jobs and of user-defined ops.
    pub sandbox: Sandbox,
}
