//! The ended calls of a pool, for the thread that completes their futures.
//!
//! Threads of the engine must not wait for the GIL: while they wait, no worker is given jobs. So they queue
//! calls that have ended, and the completion thread of the pool, a Python thread, takes all that are queued,
//! under the GIL once.

use std::{cell::Cell, sync::Arc, time::Duration};

use parking_lot::{Condvar, Mutex};
use pyo3::prelude::*;

use crate::{
    outcome::Kind,
    settling::{self, Settled},
    waiting,
};

thread_local! {
    /// Number of calls of all pools that this thread has begun to settle.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// Counts a call that the current thread settles, so that this thread does not wait for itself.
pub(crate) struct Held;

impl Held {
    pub(crate) fn new() -> Held {
        HELD.set(HELD.get() + 1);
        Held
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.set(HELD.get() - 1);
    }
}

/// A call that has ended.
pub(crate) trait EndedCall: Send + Sync {
    /// Returns how it has ended, with its value or exception.
    fn outcome<'py>(&self, py: Python<'py>) -> PyResult<(Kind, Bound<'py, PyAny>)>;
}

/// A call that has ended, and its future.
struct Ended {
    future: Py<PyAny>,
    call: Arc<dyn EndedCall>,
}

/// Shared by a pool, its calls, and its completion thread.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    ended: Vec<Ended>,
    /// Number of submitted calls whose futures are not complete: not settled, or with callbacks to be called.
    incomplete: usize,
    /// How many of them the completion thread has taken.
    taken: usize,
    /// Whether no more calls will be submitted. Then the completion thread ends after the last one.
    is_closed: bool,
}

impl QueueState {
    fn has_ended(&self) -> bool {
        self.is_closed && self.incomplete == 0
    }
}

impl Queue {
    /// Counts a call that is about to be submitted.
    pub(crate) fn add(&self) {
        self.state.lock().incomplete += 1;
    }

    /// Leaves a call that has ended to the completion thread.
    pub(crate) fn push(&self, future: Py<PyAny>, call: Arc<dyn EndedCall>) {
        let mut state = self.state.lock();
        state.ended.push(Ended { future, call });
        if state.ended.len() == 1 {
            self.changed.notify_all();
        }
    }

    /// Notes that a future is complete, or that its call was refused.
    pub(crate) fn complete(&self) {
        let mut state = self.state.lock();
        state.incomplete -= 1;
        if state.is_closed {
            self.changed.notify_all();
        }
    }

    /// Notes that no more calls will be submitted.
    pub(crate) fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Waits for calls that have ended, or the end of a closed pool. The calls that were taken are complete.
    fn wait_for_ended(&self) {
        let mut state = self.state.lock();
        state.incomplete -= std::mem::take(&mut state.taken);
        self.changed.notify_all();
        self.changed.wait_while(&mut state, |state| state.ended.is_empty() && !state.has_ended());
    }

    /// Takes the calls that have ended.
    fn take(&self) -> Vec<Ended> {
        let mut state = self.state.lock();
        state.taken = state.ended.len();
        std::mem::take(&mut state.ended)
    }

    fn wait_until_complete(&self, besides: usize, time: Duration) -> bool {
        let mut state = self.state.lock();
        !self.changed.wait_while_for(&mut state, |state| state.incomplete > besides, time).timed_out()
    }
}

/// A future with the outcome of its call: the number of the [`Kind`], and the value or exception.
type Outcome<'py> = (Py<PyAny>, u8, Bound<'py, PyAny>);

/// The calls of a pool that have ended and whose futures are not complete.
#[pyclass(frozen)]
pub(crate) struct Completions {
    pub(crate) queue: Arc<Queue>,
}

#[pymethods]
impl Completions {
    #[new]
    fn new() -> Completions {
        Completions { queue: Arc::default() }
    }

    /// Waits for calls that have ended, and settles the futures that are not observed. Returns the others
    /// with their outcomes, or `None` after the last call of a closed pool. The next call notes that they are
    /// complete. For the completion thread only.
    fn take<'py>(&self, py: Python<'py>) -> Option<Vec<Outcome<'py>>> {
        py.detach(|| self.queue.wait_for_ended());
        // Those that have ended while this thread waited for the GIL, too.
        let ended = self.queue.take();
        if ended.is_empty() {
            return None;
        }
        Some(ended.into_iter().filter_map(|Ended { future, call }| settle(py, future, &*call)).collect())
    }

    /// Waits until the futures of all calls are complete, but for those that this thread itself is about to
    /// settle. Returns whether there are none of these. Not to be called by the completion thread.
    fn wait(&self, py: Python<'_>) -> PyResult<bool> {
        let besides = HELD.get();
        waiting::wait(py, None, |time| self.queue.wait_until_complete(besides, time))?;
        Ok(self.queue.state.lock().incomplete == 0)
    }
}

/// Settles a future if nothing observes it; returns it with its outcome otherwise.
fn settle<'py>(py: Python<'py>, future: Py<PyAny>, call: &dyn EndedCall) -> Option<Outcome<'py>> {
    let settled = || {
        // A thread that waited for it has settled it, in most cases.
        if settling::is_settled(future.bind(py))? {
            return Ok(None);
        }
        let (kind, value) = call.outcome(py)?;
        Ok(match settling::settle_unobserved(future.bind(py), kind, &value)? {
            Settled::Yes => None,
            Settled::IsObserved => Some((kind, value)),
        })
    };
    let left = settled().unwrap_or_else(|error: PyErr| {
        Some((Kind::Exception, error.into_value(py).into_bound(py).into_any()))
    });
    left.map(|(kind, value)| (future, kind as u8, value))
}
