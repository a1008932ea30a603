//! Jobs of futures.

use std::{
    process,
    sync::{Arc, OnceLock},
    time::Duration,
};

use parking_lot::Mutex;
use pool::{JobError, JobFuture};
use pyo3::{intern, prelude::*};

use crate::{
    call::Call,
    completions::{EndedCall, Held, Queue},
    fork,
    functions::StoredFunction,
    outcome::{self, Kind, Outcome},
    pickler::Pickler,
    settling::{self, Settled},
    waiting,
};

/// A submitted call, which has a future.
///
/// Once it has ended, it is queued for the completion thread of its pool, except that threads which wait for
/// it try to settle the future themselves, because that takes less time than to wake another thread. Each of
/// them that does not succeed queues it, too, for whatever reason: see [`Turn`].
pub(crate) struct Submitted {
    job: JobFuture<Call>,
    /// The outcome, once a thread has asked for it. It stays here until the future is settled, because
    /// unpickling it may be interrupted.
    outcome: OnceLock<Outcome>,
    progress: Mutex<Progress>,
    /// Keeps the function until the call has ended.
    _function: Option<Arc<StoredFunction>>,
    queue: Arc<Queue>,
    pickler: Arc<Pickler>,
}

#[derive(Default)]
struct Progress {
    /// Number of threads that wait for the call and may settle its future.
    turns: usize,
    stage: Stage,
}

#[derive(Default, PartialEq, Eq)]
enum Stage {
    /// The call has no outcome.
    #[default]
    Pending,
    /// The threads that wait for the call are to settle its future.
    Ended,
    /// The call is queued for the completion thread, or its future is settled and was not observed.
    Left,
}

impl Submitted {
    pub(crate) fn new(
        job: JobFuture<Call>,
        function: Option<Arc<StoredFunction>>,
        queue: Arc<Queue>,
        pickler: Arc<Pickler>,
    ) -> Submitted {
        let (outcome, progress) = (OnceLock::new(), Mutex::default());
        Submitted { job, outcome, progress, _function: function, queue, pickler }
    }

    /// Returns the outcome of a call that has ended.
    fn ended(&self) -> &Outcome {
        self.wait(Duration::ZERO);
        self.outcome.wait()
    }

    /// Waits for the outcome. Returns whether it is there.
    fn wait(&self, time: Duration) -> bool {
        if self.outcome.get().is_some() {
            return true;
        }
        match self.job.join_timeout(time) {
            Err(JobError::NotReady) => return false,
            // Another thread has moved it out, and is storing it.
            Err(JobError::Taken) => drop(self.outcome.wait()),
            outcome => drop(self.outcome.set(Outcome::new(outcome))),
        }
        true
    }

    /// Notes that the call has ended. Called by the engine.
    fn end(self: Arc<Self>, future: Py<PyAny>) {
        let mut progress = self.progress.lock();
        if progress.stage == Stage::Left {
            // A thread that waited for the call has been faster.
            return;
        }
        if progress.turns > 0 {
            progress.stage = Stage::Ended;
            return;
        }
        progress.stage = Stage::Left;
        drop(progress);
        self.queue.clone().push(future, self);
    }
}

impl EndedCall for Submitted {
    fn outcome<'py>(&self, py: Python<'py>) -> PyResult<(Kind, Bound<'py, PyAny>)> {
        outcome::of(py, &self.pickler, self.ended())
    }
}

/// The part of a thread that waits for a call and may settle its future.
///
/// When this is dropped without [`end`](Turn::end), a call that has ended is left to the completion thread.
struct Turn<'a, 'py> {
    call: &'a Arc<Submitted>,
    future: &'a Bound<'py, PyAny>,
    _held: Held,
}

impl<'a, 'py> Turn<'a, 'py> {
    fn begin(call: &'a Arc<Submitted>, future: &'a Bound<'py, PyAny>) -> Turn<'a, 'py> {
        call.progress.lock().turns += 1;
        Turn { call, future, _held: Held::new() }
    }

    /// Ends the turn of a thread that has settled the future, or found it settled, when it was not observed.
    fn end(self) {
        let mut progress = self.call.progress.lock();
        if std::mem::replace(&mut progress.stage, Stage::Left) != Stage::Left {
            self.call.queue.complete();
        }
    }

    /// Settles the future with the value of the call, if it has one and the future is not observed. Returns
    /// the exception if the value could not be unpickled.
    ///
    /// That is not the outcome: it may come from a signal handler. On the completion thread there are none.
    /// The same holds for exceptions of jobs, which take more steps to recreate.
    fn settle(self) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = self.future.py();
        if settling::is_observed(self.future)? {
            return Ok(None);
        }
        let value = match outcome::value(py, &self.call.pickler, self.call.ended()) {
            Ok(Some(value)) => value,
            Ok(None) => return Ok(None),
            Err(error) => return Ok(Some(error.into_value(py).into_bound(py).into_any())),
        };
        if let Settled::Yes = settling::settle_unobserved(self.future, Kind::Value, &value)? {
            self.end();
        }
        Ok(None)
    }
}

impl Drop for Turn<'_, '_> {
    fn drop(&mut self) {
        let mut progress = self.call.progress.lock();
        progress.turns -= 1;
        // Even if there are others: they may be waiting for this one, which a signal handler has begun.
        if progress.stage != Stage::Left && self.call.job.is_done() {
            progress.stage = Stage::Left;
            drop(progress);
            self.call.queue.push(self.future.clone().unbind(), self.call.clone());
        }
    }
}

/// The job of a future.
#[pyclass(frozen)]
pub(crate) struct JobHandle {
    call: Arc<Submitted>,
    /// The process that submitted the job. In a process that is forked from it, nothing ends the job.
    process: u32,
}

impl JobHandle {
    /// Creates the handle of a job of this process, and stores it in the future.
    pub(crate) fn attach(future: Bound<'_, PyAny>, call: Submitted, process: u32) -> PyResult<()> {
        let (py, call) = (future.py(), Arc::new(call));
        let handle = Py::new(py, JobHandle { call: call.clone(), process });
        let stored = handle.and_then(|handle| future.setattr(intern!(py, "_job"), handle));
        let (ended, future) = (call.clone(), future.unbind());
        call.job.on_done(move |_| ended.end(future));
        stored
    }

    fn check_process(&self) -> PyResult<()> {
        fork::check_process(self.process)
    }
}

#[pymethods]
impl JobHandle {
    /// Cancels the job of `future` if it is not assigned to a worker, and settles the future. Returns whether
    /// the job is cancelled.
    fn cancel(&self, future: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.check_process()?;
        let turn = Turn::begin(&self.call, future);
        if !self.call.job.cancel() {
            return Ok(false);
        }
        match settling::settle_unobserved(future, Kind::Cancelled, future.py().None().bind(future.py()))? {
            Settled::Yes => turn.end(),
            // As in `concurrent.futures`, this thread calls the callbacks, and the other one notifies what
            // waits for several futures.
            Settled::IsObserved => drop(future.call_method0("_cancel_observed")?),
        }
        Ok(true)
    }

    /// Cancels the job even if it runs.
    fn kill(&self) -> PyResult<bool> {
        self.check_process()?;
        Ok(self.call.job.kill())
    }

    fn is_running(&self) -> PyResult<bool> {
        self.check_process()?;
        Ok(self.call.job.is_running())
    }

    /// Waits for the job of `future`, at most for a time in seconds. Then the future is settled, or will be
    /// by the completion thread, or the time is over. Returns an exception that has kept this thread from
    /// settling the future.
    ///
    /// The thread that waits receives the outcome from the worker itself: no other thread has to be woken.
    fn wait<'py>(
        &self,
        py: Python<'py>,
        future: &Bound<'py, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.check_process()?;
        let turn = Turn::begin(&self.call, future);
        if waiting::wait(py, waiting::deadline(timeout), |time| self.call.wait(time))? {
            turn.settle()
        } else {
            Ok(None)
        }
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        if self.process != process::id() {
            // After a fork, a lock of the job may be held by a thread that does not exist here.
            std::mem::forget(self.call.clone());
        }
    }
}
