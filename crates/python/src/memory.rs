//! Buffers of Python objects in shared memory, without copies in between.
//!
//! The only module of the crate with `unsafe` code: Python's buffers are pointers.
#![allow(unsafe_code)]

use std::{ffi::c_int, io, ptr, slice};

use pool::data::{Blob, PrivateBytes};
use pyo3::{buffer::PyBuffer, ffi, prelude::*};

/// Memory of an array that was sent by another process, which belongs to the array. Has Python's buffer
/// protocol.
#[pyclass(frozen)]
pub(crate) struct Memory {
    /// The start of `_bytes`, and their length. Only Python's buffers access them.
    start: *mut u8,
    length: isize,
    /// Owns the memory. Never used through Rust references while a buffer exists.
    _bytes: PrivateBytes,
}

// SAFETY: the memory is owned by the value, and does not move. It is accessed through Python's buffers only,
// whose users synchronize accesses of several threads as for any other buffer.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    pub(crate) fn new(blob: Blob) -> io::Result<Memory> {
        let mut bytes = blob.into_private()?;
        let (start, length) = (bytes.as_mut_ptr(), bytes.len());
        let length = isize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        Ok(Memory { start, length, _bytes: bytes })
    }
}

#[pymethods]
impl Memory {
    // SAFETY: Python passes a pointer to a structure that it owns, or NULL, which `PyBuffer_FillInfo`
    // refuses. The structure gets a reference to `this`, which keeps the memory until the buffer is released.
    unsafe fn __getbuffer__(this: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let memory = this.get();
        // SAFETY: the range is valid, and writable, for as long as `this` lives.
        let filled = unsafe {
            ffi::PyBuffer_FillInfo(view, this.as_ptr(), memory.start.cast(), memory.length, 0, flags)
        };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(this.py())) }
    }
}

/// A pickle in shared memory. Has Python's buffer protocol, for reading.
#[pyclass(frozen)]
pub(crate) struct SharedPickle(Blob);

impl SharedPickle {
    pub(crate) fn new(blob: Blob) -> SharedPickle {
        SharedPickle(blob)
    }
}

#[pymethods]
impl SharedPickle {
    // SAFETY: as for `Memory`. `PyBuffer_FillInfo` refuses requests for writing, because the memory is
    // declared as read-only.
    unsafe fn __getbuffer__(this: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let bytes: &[u8] = &this.get().0;
        let length = isize::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let start = bytes.as_ptr().cast_mut().cast();
        // SAFETY: the range is valid, and does not change, for as long as `this` lives.
        let filled = unsafe { ffi::PyBuffer_FillInfo(view, this.as_ptr(), start, length, 1, flags) };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(this.py())) }
    }
}

/// Copies a contiguous buffer into shared memory.
pub(crate) fn to_blob(buffer: &PyBuffer<u8>) -> io::Result<Blob> {
    with_bytes(buffer, Blob::from_slice)
}

/// Passes the bytes of a contiguous buffer to a function, which must not run Python code.
pub(crate) fn with_bytes<T>(
    buffer: &PyBuffer<u8>,
    function: impl FnOnce(&[u8]) -> io::Result<T>,
) -> io::Result<T> {
    let start = buffer.buf_ptr().cast::<u8>();
    if start.is_null() || !buffer.is_c_contiguous() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the buffer, which Python keeps until `buffer` is dropped, has that many contiguous bytes. The
    // GIL is held, so that no Python code changes them; native code that changes an array while it is being
    // pickled would race with any pickler.
    let bytes = unsafe { slice::from_raw_parts(ptr::from_ref(&*start), buffer.len_bytes()) };
    function(bytes)
}
