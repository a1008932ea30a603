//! How a call has ended, as Python sees it.

use pool::JobError;
use pyo3::prelude::*;

use crate::{call::CallOutcome, failure, pickler::Pickler};

/// How a call has ended; the numbers are those of `_future.py`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Value = 0,
    Exception = 1,
    Cancelled = 2,
}

/// Returns how a call has ended, with its value or exception.
pub(crate) fn of<'py>(
    py: Python<'py>,
    pickler: &Pickler,
    outcome: &CallOutcome,
) -> PyResult<(Kind, Bound<'py, PyAny>)> {
    match outcome {
        Ok(pickle) => Ok(match pickler.load(py, pickle) {
            Ok(value) => (Kind::Value, value),
            Err(error) if pickler.is_strict => (Kind::Exception, failure::unpicklable(py, &error)?),
            Err(error) => (Kind::Exception, error.into_value(py).into_bound(py).into_any()),
        }),
        Err(JobError::Cancelled) => Ok((Kind::Cancelled, py.None().into_bound(py))),
        Err(error) => Ok((Kind::Exception, failure::exception(py, error)?)),
    }
}

/// Returns the value of a call that has one; the error is that of unpickling it.
pub(crate) fn value<'py>(
    py: Python<'py>,
    pickler: &Pickler,
    outcome: &CallOutcome,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    outcome.as_ref().ok().map(|pickle| pickler.load(py, pickle)).transpose()
}
