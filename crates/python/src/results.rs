//! The iterator that `map` returns.

use std::{
    collections::VecDeque,
    process,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use pool::{
    settings::JobOptions,
    stream::{Resolved, Sink, Submitter},
};
use pyo3::{
    PyTraverseError, PyVisit,
    exceptions::{PyRuntimeError, PyStopIteration, PyTimeoutError, PyValueError},
    prelude::*,
};

use crate::{
    call::{Call, CallOutcome, Target},
    failure, fork,
    functions::StoredFunction,
    options::Options,
    outcome::{self, Kind, Outcome},
    pickler::Pickler,
    waiting,
};

/// Number of calls after which other threads get the GIL, and signals are looked for.
const CALLS_PER_TURN: u64 = 1000;

/// What is known of a call.
enum Answer {
    Outcome(CallOutcome),
    /// Its arguments cannot be pickled, or the pool does not accept it.
    NotSent(PyErr),
}

/// Receives the outcomes of a map.
#[derive(Default)]
struct MapSink {
    received: Mutex<Received>,
    arrived: Condvar,
}

#[derive(Default)]
struct Received {
    /// Answers that have not been taken, by the numbers of their calls from `first` on.
    answers: VecDeque<Option<Answer>>,
    first: u64,
    /// Whether a thread waits for the answer to the call `first`.
    is_awaited: bool,
}

impl Received {
    fn insert(&mut self, call: u64, answer: Answer) {
        let index = (call - self.first) as usize;
        if index >= self.answers.len() {
            self.answers.resize_with(index + 1, || None);
        }
        self.answers[index] = Some(answer);
    }

    /// Moves the answers to the next calls to `ready`.
    fn take_ready(&mut self, ready: &mut VecDeque<Answer>) {
        while let Some(Some(_)) = self.answers.front() {
            ready.extend(self.answers.pop_front().flatten());
            self.first += 1;
        }
    }
}

/// What the engine has until the last call of a map is resolved.
struct CallSink {
    answers: Arc<MapSink>,
    /// Keeps the function for the calls.
    _function: Arc<StoredFunction>,
}

impl Sink<Call> for CallSink {
    fn resolve(&self, resolved: Vec<Resolved<Call>>) {
        self.answers.resolve(resolved);
    }
}

impl MapSink {
    fn resolve(&self, resolved: Vec<Resolved<Call>>) {
        let mut received = self.received.lock();
        for Resolved { tag, outcome } in resolved {
            received.insert(tag, Answer::Outcome(outcome));
        }
        if received.is_awaited && matches!(received.answers.front(), Some(Some(_))) {
            self.arrived.notify_all();
        }
    }

    /// Waits for the answer to the next call, and takes it and all after it that are there.
    fn wait(&self, time: Duration, ready: &Mutex<VecDeque<Answer>>) -> bool {
        let mut received = self.received.lock();
        if !matches!(received.answers.front(), Some(Some(_))) {
            received.is_awaited = true;
            self.arrived.wait_for(&mut received, time);
            received.is_awaited = false;
        }
        let mut ready = ready.lock();
        received.take_ready(&mut ready);
        !ready.is_empty()
    }
}

/// Where the calls of a map come from.
pub(crate) struct Source {
    /// Iterator of tuples of arguments; `None` at its end.
    pub(crate) arguments: Option<Py<PyAny>>,
    /// What closes the pool when it is dropped. Kept until all calls are submitted.
    pub(crate) owner: Option<Py<PyAny>>,
    pub(crate) target: Target,
    pub(crate) options: Py<Options>,
    /// Number of calls that are sent together, 1 for what the engine chooses.
    pub(crate) chunk: usize,
    /// Maximum number of calls that are submitted and not answered.
    pub(crate) ahead: Option<u64>,
    pub(crate) deadline: Option<Instant>,
}

/// The results of a map, in the order of its calls.
#[pyclass(weakref)]
pub(crate) struct Results {
    source: Source,
    submitter: Mutex<Option<Box<dyn Submitter<Call>>>>,
    sink: Arc<MapSink>,
    ready: Mutex<VecDeque<Answer>>,
    pickler: Arc<Pickler>,
    submitted: u64,
    yielded: u64,
    /// Keeps the function for calls that are not submitted yet.
    function: Option<Arc<StoredFunction>>,
    /// The process that submitted the calls. In a process that is forked from it, there are no results.
    process: u32,
}

impl Results {
    pub(crate) fn new(
        source: Source,
        submitter: impl FnOnce(Arc<dyn Sink<Call>>) -> Box<dyn Submitter<Call>>,
        pickler: Arc<Pickler>,
        function: Arc<StoredFunction>,
    ) -> Results {
        let sink = Arc::new(MapSink::default());
        let calls = CallSink { answers: sink.clone(), _function: function.clone() };
        Results {
            source,
            submitter: Mutex::new(Some(submitter(Arc::new(calls)))),
            sink,
            ready: Mutex::default(),
            pickler,
            submitted: 0,
            yielded: 0,
            function: Some(function),
            process: process::id(),
        }
    }

    /// Submits calls until there are as many as allowed.
    pub(crate) fn submit(&mut self, py: Python<'_>) -> PyResult<()> {
        let Some(arguments) = self.source.arguments.as_ref().map(|arguments| arguments.clone_ref(py)) else {
            return Ok(());
        };
        fork::check_process(self.process)?;
        let mut arguments = arguments.bind(py).try_iter()?;
        let options = self.source.options.get().0;
        let mut chunk = Vec::new();
        while self.source.arguments.is_some() && self.may_submit() {
            let Some(arguments) = arguments.next() else {
                self.source.arguments = None;
                break;
            };
            let call = self.submitted;
            match self.pickler.dump(&arguments?) {
                Ok(pickle) => chunk.push((call, Call { target: self.source.target, pickle })),
                Err(error) => self.sink.received.lock().insert(call, Answer::NotSent(error)),
            }
            self.submitted += 1;
            if chunk.len() >= self.source.chunk {
                self.push(py, &mut chunk, options)?;
            }
            if self.submitted.is_multiple_of(CALLS_PER_TURN) {
                py.detach(|| {});
                py.check_signals()?;
            }
        }
        self.push(py, &mut chunk, options)?;
        if let Some(submitter) = self.submitter.get_mut() {
            submitter.flush();
        }
        if self.source.arguments.is_none() {
            self.source.owner = None;
        }
        Ok(())
    }

    fn may_submit(&self) -> bool {
        self.source.ahead.is_none_or(|ahead| self.submitted - self.yielded < ahead)
    }

    fn push(&mut self, py: Python<'_>, chunk: &mut Vec<(u64, Call)>, options: JobOptions) -> PyResult<()> {
        let Some(submitter) = self.submitter.get_mut() else { return Ok(()) };
        if let Some(refusal) = submitter.submit_error().filter(|_| !chunk.is_empty()) {
            return self.note_refused(chunk, failure::refused(py, refusal), py);
        }
        if self.source.chunk > 1 && !chunk.is_empty() {
            submitter.push_chunk(std::mem::take(chunk), options);
        } else {
            chunk.drain(..).for_each(|(tag, call)| submitter.push(tag, call, options));
        }
        Ok(())
    }

    /// Ends the map after calls that the pool does not accept: with an error at once, or in place of the
    /// first of their results if results are being taken.
    fn note_refused(&mut self, calls: &mut Vec<(u64, Call)>, error: PyErr, py: Python<'_>) -> PyResult<()> {
        if self.source.ahead.is_none() {
            return Err(error);
        }
        self.source.arguments = None;
        let mut received = self.sink.received.lock();
        calls.drain(..).for_each(|(call, _)| received.insert(call, Answer::NotSent(error.clone_ref(py))));
        Ok(())
    }

    /// Waits for the next answer, or returns `None` at the end.
    fn next_answer(&mut self, py: Python<'_>) -> PyResult<Option<Answer>> {
        if let Some(answer) = self.ready.get_mut().pop_front() {
            return Ok(Some(answer));
        }
        if self.yielded == self.submitted {
            return Ok(None);
        }
        fork::check_process(self.process)?;
        let (sink, ready) = (&self.sink, &self.ready);
        if !waiting::wait(py, self.source.deadline, |time| sink.wait(time, ready))? {
            return Err(PyTimeoutError::new_err(()));
        }
        Ok(self.ready.get_mut().pop_front())
    }

    fn next_value<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(answer) = self.next_answer(py)? else { return Ok(None) };
        self.yielded += 1;
        if self.source.ahead.is_some() {
            self.submit(py)?;
        }
        match answer {
            Answer::NotSent(error) => Err(error),
            Answer::Outcome(outcome) => match outcome::of(py, &self.pickler, &Outcome::new(outcome))? {
                (Kind::Value, value) => Ok(Some(value)),
                (Kind::Exception, exception) => Err(PyErr::from_value(exception)),
                (Kind::Cancelled, _) => Err(failure::cancelled(py)),
            },
        }
    }
}

#[pymethods]
impl Results {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(this: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = this.py();
        let mut results = Results::executing(this)?;
        let next = results.next_value(py).map_err(|error| as_of_generator(py, error));
        if !matches!(next, Ok(Some(_))) {
            results.end();
        }
        next
    }

    /// Cancels the calls that have not been started, and ends the iterator.
    fn close(this: &Bound<'_, Self>) -> PyResult<()> {
        Results::executing(this)?.end();
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.source.arguments)?;
        visit.call(&self.source.owner)
    }

    fn __clear__(&mut self) {
        self.end();
    }
}

impl Results {
    /// Borrows it for a thread that takes a result, which only one can do at a time.
    fn executing<'a>(this: &'a Bound<'_, Self>) -> PyResult<PyRefMut<'a, Self>> {
        this.try_borrow_mut().map_err(|_| PyValueError::new_err("generator already executing"))
    }

    fn end(&mut self) {
        let Some(mut submitter) = self.submitter.get_mut().take() else { return };
        if self.process != process::id() {
            // After a fork, a lock of the engine may be held by a thread that does not exist here.
            std::mem::forget(submitter);
            return;
        }
        let is_complete = self.source.arguments.is_none() && self.yielded == self.submitted;
        if !is_complete {
            submitter.cancel_waiting();
        }
        self.function = None;
        self.source.arguments = None;
        self.source.owner = None;
        self.ready.get_mut().clear();
        self.submitted = self.yielded;
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        self.end();
    }
}

/// Returns the error that leaves a generator when `error` is raised in it.
fn as_of_generator(py: Python<'_>, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyStopIteration>(py) {
        return error;
    }
    let raised = PyRuntimeError::new_err("generator raised StopIteration");
    raised.set_cause(py, Some(error));
    raised
}
