//! Processes that are forked from one with a pool.

use std::process;

use pyo3::{exceptions::PyRuntimeError, prelude::*};

/// Fails in a process that is forked from `process`, the one that created a pool.
pub(crate) fn check_process(process: u32) -> PyResult<()> {
    if process == process::id() {
        return Ok(());
    }
    let message = "this pool was created before a fork, in the parent of this process; create another one";
    Err(PyRuntimeError::new_err(message))
}
