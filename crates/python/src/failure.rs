//! Exceptions of jobs, and other reasons why a call has no result.

use std::fmt;

use pool::{
    JobError,
    error::{DeathCause, SubmitError},
};
use pyo3::{exceptions::PyRuntimeError, prelude::*, types::PyBytes};
use serde::{Deserialize, Serialize};

/// An exception that a job raised.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Raised {
    /// The exception, pickled; empty if it cannot be.
    #[serde(with = "serde_bytes")]
    pub(crate) pickle: Vec<u8>,
    /// Its type and message, for the case that it cannot be unpickled.
    pub(crate) summary: String,
    /// Its traceback as text.
    pub(crate) traceback: String,
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary)
    }
}

/// Returns the exception for a call without a result. The functions that create it are in `_errors.py`.
pub(crate) fn exception<'py>(py: Python<'py>, error: &JobError<Raised>) -> PyResult<Bound<'py, PyAny>> {
    let errors = py.import("runner_pool._errors")?;
    let message = error.to_string();
    match error {
        JobError::Failed(raised) => errors
            .call_method1("raised", (PyBytes::new(py, &raised.pickle), &raised.summary, &raised.traceback)),
        JobError::Crashed(crashed) => {
            let (exit_code, signal) = match crashed.death.cause {
                DeathCause::Exited(code) => (Some(code), None),
                DeathCause::Signalled(signal) => (None, Some(signal)),
            };
            let pid = crashed.death.pid;
            errors.call_method1("crashed", (message, pid, exit_code, signal, crashed.attempts))
        }
        JobError::TimedOut(timed_out) => {
            errors.call_method1("timed_out", (message, timed_out.limit.as_secs_f64(), timed_out.attempts))
        }
        JobError::OutOfMemory(exhausted) => {
            errors.call_method1("out_of_memory", (message, exhausted.death.pid, exhausted.attempts))
        }
        JobError::Denied(denied) => {
            errors.call_method1("denied", (message, denied.death.pid, denied.attempts))
        }
        JobError::Cancelled => errors.call_method0("cancelled"),
        JobError::Broken(_) | JobError::Lost(_) | JobError::Refused(_) => {
            errors.call_method1("broken", (message,))
        }
        _ => errors.call_method1("other", (message,)),
    }
}

/// Returns the exception of a call that cannot be pickled, with its traceback as text.
pub(crate) fn without_frames(py: Python<'_>, error: PyErr) -> PyResult<Bound<'_, PyAny>> {
    py.import("runner_pool._errors")?.call_method1("without_frames", (error.into_value(py),))
}

/// Returns an error for `exception`.
pub(crate) fn error(py: Python<'_>, error: &JobError<Raised>) -> PyErr {
    exception(py, error).map_or_else(|error| error, PyErr::from_value)
}

/// Returns the error of a call that a pool does not accept.
pub(crate) fn refused(py: Python<'_>, refusal: SubmitError) -> PyErr {
    match refusal {
        SubmitError::Broken(_) => error(py, &JobError::Refused(refusal)),
        _ => PyRuntimeError::new_err("cannot schedule new futures after shutdown"),
    }
}

/// Returns the error of a cancelled call.
pub(crate) fn cancelled(py: Python<'_>) -> PyErr {
    error(py, &JobError::Cancelled)
}

/// Returns the exception for a result that cannot be unpickled, in a pool that this breaks.
pub(crate) fn unpicklable<'py>(py: Python<'py>, error: &PyErr) -> PyResult<Bound<'py, PyAny>> {
    let errors = py.import("runner_pool._errors")?;
    errors.call_method1("broken", (format!("a result cannot be unpickled: {error}"),))
}
