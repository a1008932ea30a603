//! Errors of starting a process.

use std::io;

use crate::call::CallError;

/// Reason why a process cannot be started.
#[derive(Debug)]
pub enum SpawnError {
    /// A call that prepares the process failed, independently of the program.
    Call(CallError),
    /// The program cannot be executed, or its placement cannot be set.
    Program(io::Error),
}

impl From<CallError> for SpawnError {
    fn from(error: CallError) -> SpawnError {
        SpawnError::Call(error)
    }
}
