//! Pickles that are written to shared memory while they are made.
//!
//! `pickle.dumps` collects a pickle in private memory, so that a large value in it would be copied twice.
//! Written to a file, each large `bytes`, `bytearray` or `str` is passed on by the pickler as it is.

use std::io::Write;

use memchr::memmem;
use parking_lot::Mutex;
use pool::data::{Blob, BlobWriter, MIN_SHARED_SIZE};
use pyo3::{
    buffer::PyBuffer,
    exceptions::PyRuntimeError,
    prelude::*,
    types::{PyByteArray, PyBytes, PyDict, PyList, PyString, PyTuple},
};

use crate::memory;

/// Number of objects that are looked at to find a large one, which bounds what this costs a small call.
const MAX_VISITED: usize = 32;

/// A file for a pickler.
#[pyclass(frozen)]
#[derive(Default)]
pub(crate) struct Sink(Mutex<Option<Written>>);

#[derive(Default)]
struct Written {
    writer: BlobWriter,
    mentions_main: bool,
}

impl Sink {
    pub(crate) fn new() -> Sink {
        Sink(Mutex::new(Some(Written::default())))
    }

    /// Returns what was written, and whether it may refer to the module `__main__`.
    pub(crate) fn finish(&self) -> PyResult<(Blob, bool)> {
        let written = self.0.lock().take().unwrap_or_default();
        Ok((written.writer.finish()?, written.mentions_main))
    }
}

#[pymethods]
impl Sink {
    fn write(&self, data: PyBuffer<u8>) -> PyResult<()> {
        let mut written = self.0.lock();
        let Some(written) = &mut *written else {
            return Err(PyRuntimeError::new_err("the pickle is complete"));
        };
        memory::with_bytes(&data, |bytes| {
            // The pickler writes no name in two parts.
            written.mentions_main |= mentions_main(bytes);
            written.writer.write_all(bytes)
        })?;
        Ok(())
    }
}

/// Returns whether an object is, or contains among its first items, a large value that is a part of its
/// pickle.
pub(crate) fn has_large_value(object: &Bound<'_, PyAny>) -> bool {
    finds_large_value(object, &mut MAX_VISITED.clone())
}

fn finds_large_value(object: &Bound<'_, PyAny>, left: &mut usize) -> bool {
    if *left == 0 {
        return false;
    }
    *left -= 1;
    if let Ok(tuple) = object.cast_exact::<PyTuple>() {
        tuple.iter_borrowed().any(|item| finds_large_value(&item, left))
    } else if let Ok(bytes) = object.cast_exact::<PyBytes>() {
        bytes.as_bytes().len() >= MIN_SHARED_SIZE
    } else if let Ok(text) = object.cast_exact::<PyString>() {
        text.len().is_ok_and(|length| length >= MIN_SHARED_SIZE)
    } else if let Ok(list) = object.cast_exact::<PyList>() {
        list.iter().take(*left).any(|item| finds_large_value(&item, left))
    } else if let Ok(dict) = object.cast_exact::<PyDict>() {
        dict.iter().take(*left).any(|(_, value)| finds_large_value(&value, left))
    } else if let Ok(bytes) = object.cast_exact::<PyByteArray>() {
        bytes.len() >= MIN_SHARED_SIZE
    } else {
        false
    }
}

/// Returns whether a pickle may refer to something in the main module: in `__main__`, or, in a process of
/// `multiprocessing`, in `__mp_main__`.
pub(crate) fn mentions_main(pickle: &[u8]) -> bool {
    memmem::find(pickle, b"_main__").is_some()
}
