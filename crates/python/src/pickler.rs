//! Pickling of arguments and results.

use std::cell::RefCell;

use pool::data::{Blob, MIN_SHARED_SIZE};
use pyo3::{
    buffer::PyBuffer,
    exceptions::{PyException, PyMemoryError, PyOSError},
    intern,
    prelude::*,
    types::{PyBytes, PyDict, PyList},
};

use crate::{
    call::{Pickle, Stream},
    memory::{self, Memory, SharedPickle},
    sink::{Sink, has_large_value, mentions_main},
};

thread_local! {
    /// Buffers of the object that this thread is pickling.
    static BUFFERS: RefCell<Vec<Blob>> = const { RefCell::new(Vec::new()) };
}

/// The functions that pickle and unpickle.
pub(crate) struct Pickler {
    /// `pickle.dumps` with its protocol and its callback for buffers.
    dump: Py<PyAny>,
    /// The same with a file as another argument, which the pickle is written to.
    dump_to: Py<PyAny>,
    /// The same as `dump` of `cloudpickle`, which includes functions and classes that a worker cannot import.
    dump_by_value: Py<PyAny>,
    load: Py<PyAny>,
    /// Whether what cannot be unpickled breaks the pool, as it does that of the standard library.
    pub(crate) is_strict: bool,
}

impl Pickler {
    pub(crate) fn new(py: Python<'_>, is_strict: bool) -> PyResult<Pickler> {
        let module = py.import("runner_pool._pickling")?;
        Ok(Pickler {
            dump: module.getattr("dump")?.unbind(),
            dump_to: module.getattr("dump_to")?.unbind(),
            dump_by_value: module.getattr("dump_by_value")?.unbind(),
            load: module.getattr("load")?.unbind(),
            is_strict,
        })
    }

    /// Pickles an object. Buffers of [`MIN_SHARED_SIZE`] bytes or more are not in the pickle but beside it.
    ///
    /// What belongs to `__main__` is pickled by value, because that is another module in a worker; so is what
    /// `pickle` refuses.
    pub(crate) fn dump(&self, object: &Bound<'_, PyAny>) -> PyResult<Pickle> {
        let py = object.py();
        let dumped = match has_large_value(object) {
            true => self.dump_large(object),
            false => self.dump_small(object),
        };
        match dumped {
            Ok(Some(pickle)) => return Ok(pickle),
            Err(error) if !is_refusal(py, &error) => return Err(error),
            Ok(None) | Err(_) => {}
        }
        let (stream, buffers) = collecting_buffers(|| self.dump_by_value.bind(py).call1((object,)))?;
        Ok(Pickle { stream: Stream::new(stream.cast::<PyBytes>()?.as_bytes())?, buffers })
    }

    /// Pickles an object; returns `None` if that may refer to the module `__main__`.
    fn dump_small(&self, object: &Bound<'_, PyAny>) -> PyResult<Option<Pickle>> {
        let (stream, buffers) = collecting_buffers(|| self.dump.bind(object.py()).call1((object,)))?;
        let stream = stream.cast::<PyBytes>()?.as_bytes();
        if mentions_main(stream) {
            return Ok(None);
        }
        Ok(Some(Pickle { stream: Stream::new(stream)?, buffers }))
    }

    /// Does the same without holding the pickle in private memory.
    fn dump_large(&self, object: &Bound<'_, PyAny>) -> PyResult<Option<Pickle>> {
        let py = object.py();
        let sink = Bound::new(py, Sink::new())?;
        let (_, buffers) = collecting_buffers(|| self.dump_to.bind(py).call1((object, &sink)))?;
        let (blob, mentions_main) = sink.get().finish()?;
        Ok((!mentions_main).then_some(Pickle { stream: Stream::Large(blob), buffers }))
    }

    /// Recreates an object from a pickle without buffers.
    pub(crate) fn load_bytes<'py>(&self, py: Python<'py>, pickle: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        self.load.bind(py).call1((PyBytes::new(py, pickle),))
    }

    /// Recreates an object, which owns the buffers.
    pub(crate) fn load<'py>(&self, py: Python<'py>, received: &Received) -> PyResult<Bound<'py, PyAny>> {
        let stream = received.stream.bind(py);
        if received.buffers.is_empty() {
            return self.load.bind(py).call1((stream,));
        }
        let keywords = PyDict::new(py);
        keywords.set_item(intern!(py, "buffers"), PyList::new(py, &received.buffers)?)?;
        self.load.bind(py).call((stream,), Some(&keywords))
    }
}

/// Returns whether an error means that `pickle` refuses an object, and not that the system or the user does.
fn is_refusal(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyException>(py)
        && !error.is_instance_of::<PyOSError>(py)
        && !error.is_instance_of::<PyMemoryError>(py)
}

/// A pickle in memory of this process, and the memory of the buffers beside it.
///
/// An object is recreated from it once, or again if that was interrupted: the buffers belong to the object.
pub(crate) struct Received {
    stream: Py<PyAny>,
    buffers: Vec<Py<Memory>>,
}

impl Received {
    /// Runs no Python code, and creates no object that is tracked by the garbage collector, which does.
    pub(crate) fn new(py: Python<'_>, pickle: Pickle) -> PyResult<Received> {
        let stream = match pickle.stream {
            Stream::Small(bytes) => PyBytes::new(py, &bytes).into_any().unbind(),
            Stream::Large(blob) => Py::new(py, SharedPickle::new(blob))?.into_any(),
        };
        let buffers = pickle.buffers.into_iter().map(|buffer| Py::new(py, Memory::new(buffer)?));
        Ok(Received { stream, buffers: buffers.collect::<PyResult<_>>()? })
    }
}

/// Calls a function that pickles, and returns its result and the large buffers of what was pickled.
fn collecting_buffers<T>(dump: impl FnOnce() -> PyResult<T>) -> PyResult<(T, Vec<Blob>)> {
    // A `__reduce__` of the object may have this thread pickle something else meanwhile.
    let outer = BUFFERS.replace(Vec::new());
    let dumped = dump();
    let buffers = BUFFERS.replace(outer);
    Ok((dumped?, buffers))
}

/// The callback for buffers: takes a large one out of the pickle and returns `False`, or returns `True`.
#[pyfunction]
pub(crate) fn collect_buffer(buffer: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = buffer.py();
    // Fails if the memory is not contiguous. Then `pickle` reports the error.
    let Ok(raw) = buffer.call_method0(intern!(py, "raw")) else { return Ok(true) };
    let bytes = PyBuffer::<u8>::get(&raw)?;
    if bytes.len_bytes() < MIN_SHARED_SIZE {
        return Ok(true);
    }
    let blob = memory::to_blob(&bytes)?;
    BUFFERS.with_borrow_mut(|buffers| buffers.push(blob));
    Ok(false)
}
