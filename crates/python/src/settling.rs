//! The settling of futures that nothing observes.
//!
//! A future is observed once it has a condition: a thread waits for it through `concurrent.futures`, it has a
//! callback, or the program has settled it itself. It is settled by the completion thread of its pool, in
//! `_future.py`, which then calls its callbacks.
//!
//! Most futures are never observed. Settling one of those is to store some attributes, here, under the GIL
//! and without running Python code. So nothing can happen halfway: no signal handler raises an exception, no
//! thread begins to observe the future. Every thread that has the outcome may do that, and the first one
//! counts.

use pyo3::{intern, prelude::*};

use crate::outcome::Kind;

/// What [`settle_unobserved`] has found.
pub(crate) enum Settled {
    /// The future is settled, by this thread or another one.
    Yes,
    /// The completion thread has to settle it.
    IsObserved,
}

/// Settles a future, unless it is observed.
pub(crate) fn settle_unobserved(
    future: &Bound<'_, PyAny>,
    kind: Kind,
    value: &Bound<'_, PyAny>,
) -> PyResult<Settled> {
    let py = future.py();
    if is_observed(future)? {
        return Ok(Settled::IsObserved);
    }
    if is_settled(future)? {
        return Ok(Settled::Yes);
    }
    let state = match kind {
        Kind::Value => {
            future.setattr(intern!(py, "_result"), value)?;
            intern!(py, "FINISHED")
        }
        Kind::Exception => {
            future.setattr(intern!(py, "_exception"), value)?;
            intern!(py, "FINISHED")
        }
        Kind::Cancelled => intern!(py, "CANCELLED_AND_NOTIFIED"),
    };
    // To store an attribute may collect garbage, and finalizers are Python code. Replacing one does not.
    if is_observed(future)? {
        return Ok(Settled::IsObserved);
    }
    future.setattr(intern!(py, "_state"), state)?;
    future.setattr(intern!(py, "_job"), py.None())?;
    Ok(Settled::Yes)
}

/// Returns whether something may wait for the future through its condition.
pub(crate) fn is_observed(future: &Bound<'_, PyAny>) -> PyResult<bool> {
    future.getattr(intern!(future.py(), "_is_observed"))?.is_truthy()
}

/// Returns whether the future has got its outcome from its job.
pub(crate) fn is_settled(future: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(future.getattr(intern!(future.py(), "_job"))?.is_none())
}
