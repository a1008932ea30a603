//! The error of the jobs of tests.

use serde::{Deserialize, Serialize};

/// An error with fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("code {code}: {message}")]
pub struct ProbeError {
    /// A code, possibly 0.
    pub code: i32,
    /// A message, possibly empty.
    pub message: String,
}

/// Creates an error from its fields.
#[must_use]
pub fn probe_error(code: i32, message: &str) -> ProbeError {
    ProbeError { code, message: message.to_owned() }
}
