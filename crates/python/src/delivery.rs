//! Outcomes on their way to the futures of Python.
//!
//! Threads of the engine must not wait for the GIL: while they wait, no worker is given jobs. So they queue
//! outcomes, and one Python thread per process takes all that are queued, under the GIL once, and settles the
//! futures.

use std::{sync::Arc, time::Duration};

use parking_lot::{Condvar, Mutex};
use pool::{JobError, JobFuture};
use pyo3::prelude::*;

use crate::{
    call::{Call, CallOutcome},
    failure,
    pickler::Pickler,
    waiting,
};

/// A future whose job has ended.
pub(crate) struct Delivery {
    pub(crate) future: Py<PyAny>,
    pub(crate) job: JobFuture<Call>,
    pub(crate) pickler: Arc<Pickler>,
}

#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    waiting: Vec<Delivery>,
    /// Number of deliveries that were ever queued.
    queued: u64,
    /// Number of deliveries whose futures are settled.
    settled: u64,
    /// Whether the thread that takes deliveries is to end, once there are none.
    is_stopped: bool,
}

impl Queue {
    pub(crate) fn push(&self, delivery: Delivery) {
        let mut state = self.state.lock();
        state.waiting.push(delivery);
        state.queued += 1;
        if state.waiting.len() == 1 {
            self.changed.notify_all();
        }
    }

    /// Waits until there are deliveries, or this is stopped. Those that were taken before count as settled.
    fn wait(&self) {
        let mut state = self.state.lock();
        state.settled = state.queued - state.waiting.len() as u64;
        self.changed.notify_all();
        while state.waiting.is_empty() && !state.is_stopped {
            self.changed.wait(&mut state);
        }
    }

    /// Waits until the first `count` deliveries are settled.
    fn wait_until_settled(&self, count: u64, time: Duration) -> bool {
        let mut state = self.state.lock();
        !self.changed.wait_while_for(&mut state, |state| state.settled < count, time).timed_out()
    }
}

/// The outcomes of all pools of a process, for the thread that settles their futures.
#[pyclass(frozen)]
pub(crate) struct Deliveries {
    pub(crate) queue: Arc<Queue>,
}

#[pymethods]
impl Deliveries {
    #[new]
    fn new() -> Deliveries {
        Deliveries { queue: Arc::default() }
    }

    /// Has `take` return an empty list once there are no outcomes.
    fn stop(&self) {
        self.queue.state.lock().is_stopped = true;
        self.queue.changed.notify_all();
    }

    /// Waits for outcomes and returns them: each future with what [`outcome`] returns.
    fn take<'py>(&self, py: Python<'py>) -> Vec<(Py<PyAny>, u8, Bound<'py, PyAny>)> {
        py.detach(|| self.queue.wait());
        // Those that have come while this thread waited for the GIL, too.
        let deliveries = std::mem::take(&mut self.queue.state.lock().waiting);
        let mut settled = Vec::with_capacity(deliveries.len());
        for Delivery { future, job, pickler } in deliveries {
            let (kind, value) = outcome(py, &pickler, &job.join())
                .unwrap_or_else(|error| (Kind::Exception, error.into_value(py).into_bound(py).into_any()));
            settled.push((future, kind as u8, value));
        }
        settled
    }

    /// Waits until all futures are settled whose jobs have ended by now. Not to be called by the thread that
    /// settles them.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let count = self.queue.state.lock().queued;
        waiting::wait(py, None, |time| self.queue.wait_until_settled(count, time)).map(drop)
    }
}

/// How a job has ended, for Python.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Value = 0,
    Exception = 1,
    Cancelled = 2,
}

/// Returns how a call has ended, with its value or exception.
pub(crate) fn outcome<'py>(
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
