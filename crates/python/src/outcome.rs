//! How a call has ended, as Python sees it.

use std::sync::OnceLock;

use parking_lot::Mutex;
use pool::JobError;
use pyo3::{exceptions::PyMemoryError, prelude::*};

use crate::{
    call::{CallOutcome, Pickle},
    failure::{self, Raised},
    pickler::{Pickler, Received},
};

/// How a call has ended; the numbers are those of `_future.py`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Value = 0,
    Exception = 1,
    Cancelled = 2,
}

/// How a call has ended. Its value can be recreated again if that was interrupted.
pub(crate) enum Outcome {
    Value(Value),
    Error(JobError<Raised>),
}

/// The value of a call.
pub(crate) struct Value {
    /// As the engine has delivered it, until a thread has the GIL. Locked only with the GIL, and not while
    /// Python code runs.
    pickle: Mutex<Option<Pickle>>,
    received: OnceLock<Received>,
}

impl Outcome {
    pub(crate) fn new(outcome: CallOutcome) -> Outcome {
        match outcome {
            Ok(pickle) => {
                Outcome::Value(Value { pickle: Mutex::new(Some(pickle)), received: OnceLock::new() })
            }
            Err(error) => Outcome::Error(error),
        }
    }
}

impl Value {
    fn load<'py>(&self, py: Python<'py>, pickler: &Pickler) -> PyResult<Bound<'py, PyAny>> {
        if let Some(pickle) = self.pickle.lock().take() {
            let _ = self.received.set(Received::new(py, pickle)?);
        }
        match self.received.get() {
            Some(received) => pickler.load(py, received),
            None => Err(PyMemoryError::new_err("there is no memory for the buffers of the result")),
        }
    }
}

/// Returns how a call has ended, with its value or exception.
pub(crate) fn of<'py>(
    py: Python<'py>,
    pickler: &Pickler,
    outcome: &Outcome,
) -> PyResult<(Kind, Bound<'py, PyAny>)> {
    match outcome {
        Outcome::Value(value) => Ok(match value.load(py, pickler) {
            Ok(value) => (Kind::Value, value),
            Err(error) if pickler.is_strict => (Kind::Exception, failure::unpicklable(py, &error)?),
            Err(error) => (Kind::Exception, error.into_value(py).into_bound(py).into_any()),
        }),
        Outcome::Error(JobError::Cancelled) => Ok((Kind::Cancelled, py.None().into_bound(py))),
        Outcome::Error(error) => Ok((Kind::Exception, failure::exception(py, error)?)),
    }
}

/// Returns the value of a call that has one; the error is that of unpickling it.
pub(crate) fn value<'py>(
    py: Python<'py>,
    pickler: &Pickler,
    outcome: &Outcome,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    match outcome {
        Outcome::Value(value) => value.load(py, pickler).map(Some),
        Outcome::Error(_) => Ok(None),
    }
}
