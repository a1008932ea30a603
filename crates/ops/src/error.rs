//! Errors of built-in jobs.

use numtheory::ZeroHasNoFactors;
use serde::{Deserialize, Serialize};

use crate::limits::MAX_DIVISORS;

/// Error of a built-in job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum BuiltinError {
    /// `command` jobs are not [allowed](crate::Limits::allow_command).
    #[error("`command` jobs are not allowed; enable them with --allow-command")]
    CommandNotAllowed,
    /// The program could not be started.
    #[error("cannot run `{program}`: {reason}")]
    CommandStart {
        /// Name of the program.
        program: String,
        /// Error message of the system.
        reason: String,
    },
    /// The exit status of the program is unknown, because its [guard](sys::program) was killed.
    #[error("exit status of `{program}` is unknown: its guard ended with {reason}")]
    CommandStatusUnknown {
        /// Name of the program.
        program: String,
        /// Exit status of the guard.
        reason: String,
    },
    /// The program of a user-defined op could not be started.
    #[error("cannot run `{program}`: {reason}")]
    ProgramStart {
        /// Path of the program as it was given.
        program: String,
        /// Error message of the system.
        reason: String,
    },
    /// The program of a user-defined op replied with an error.
    #[error("{message}")]
    Program {
        /// Error message of the program.
        message: String,
    },
    /// The program of a user-defined op violated the protocol and was killed.
    #[error("protocol: {program}: {message}")]
    Protocol {
        /// Name of the program.
        program: String,
        /// The violation, with the start of the program's output.
        message: String,
    },
    /// The op is not defined in the process that ran the job.
    #[error("op `{op}` is not defined here")]
    OpNotDefined {
        /// Name of the op.
        op: String,
    },
    /// The number has more than [`MAX_DIVISORS`] divisors.
    #[error("number has more than {MAX_DIVISORS} divisors")]
    TooManyDivisors,
    /// The result would be longer than [`Limits::max_result`](crate::Limits::max_result).
    #[error("result is longer than --max-result ({limit} bytes)")]
    TooLarge {
        /// Limit in bytes.
        limit: u64,
    },
    /// There is not enough memory for the result.
    #[error("out of memory for a result of {bytes} bytes; a lower --max-result rejects such results earlier")]
    NoMemory {
        /// Approximate length of the result as text, in bytes.
        bytes: u64,
    },
    /// The operation is not defined for 0.
    #[error("{ZeroHasNoFactors}")]
    Zero,
}

impl From<ZeroHasNoFactors> for BuiltinError {
    fn from(_: ZeroHasNoFactors) -> BuiltinError {
        BuiltinError::Zero
    }
}
