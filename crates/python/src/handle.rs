//! Jobs of futures.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use parking_lot::Mutex;
use pool::{JobError, JobFuture};
use pyo3::prelude::*;

use crate::{
    call::Call,
    delivery::{self, Delivery, Queue},
    pickler::Pickler,
    waiting,
};

/// No thread waits for the job in `JobHandle.wait`.
const UNAWAITED: u8 = 0;
/// A thread waits for the job, and will settle its future.
const AWAITED: u8 = 1;
/// The job has ended.
const ENDED: u8 = 2;

/// The job of a future.
#[pyclass(frozen)]
pub(crate) struct JobHandle {
    job: JobFuture<Call>,
    state: Arc<AtomicU8>,
    queue: Arc<Queue>,
    pickler: Arc<Pickler>,
}

impl JobHandle {
    /// Creates the handle of a job whose outcome is queued for `future`, unless a thread waits for it.
    pub(crate) fn new(
        job: JobFuture<Call>,
        future: Py<PyAny>,
        queue: Arc<Queue>,
        pickler: Arc<Pickler>,
    ) -> JobHandle {
        let state = Arc::new(AtomicU8::new(UNAWAITED));
        let (of_callback, callbacks_queue) = (state.clone(), queue.clone());
        let callbacks_pickler = pickler.clone();
        job.on_done(move |job| {
            if of_callback.swap(ENDED, Ordering::AcqRel) == UNAWAITED {
                callbacks_queue.push(Delivery { future, job: job.clone(), pickler: callbacks_pickler });
            }
        });
        JobHandle { job, state, queue, pickler }
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

#[pymethods]
impl JobHandle {
    /// Cancels the job if it is not assigned to a worker. Returns whether it is cancelled.
    fn cancel(&self) -> bool {
        self.job.cancel()
    }

    /// Cancels the job even if it runs.
    fn kill(&self) -> bool {
        self.job.kill()
    }

    fn is_running(&self) -> bool {
        self.job.is_running()
    }

    /// Waits for the job of `future`, if no other thread does, and returns how it has ended, for the
    /// caller to settle the future with. Returns `None` if the time is over, or if another thread settles the
    /// future.
    ///
    /// The thread that waits receives the outcome from the worker itself: no other thread has to be woken.
    fn wait<'py>(
        &self,
        py: Python<'py>,
        future: Py<PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<Option<(u8, Bound<'py, PyAny>)>> {
        if !self.change(UNAWAITED, AWAITED) {
            return Ok(None);
        }
        let received = Mutex::new(None);
        let waited =
            waiting::wait(py, waiting::deadline(timeout), |time| match self.job.join_timeout(time) {
                Err(JobError::NotReady) => false,
                outcome => {
                    *received.lock() = Some(outcome);
                    true
                }
            });
        if let Some(outcome) = received.into_inner() {
            self.state.store(ENDED, Ordering::Release);
            let (kind, value) = delivery::outcome(py, &self.pickler, &outcome)?;
            return Ok(Some((kind as u8, value)));
        }
        if !self.change(AWAITED, UNAWAITED) {
            // It has just ended, and was left to this thread.
            let (job, pickler) = (self.job.clone(), self.pickler.clone());
            self.queue.push(Delivery { future, job, pickler });
        }
        waited.map(|_| None)
    }
}
