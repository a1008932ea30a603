//! Pickled functions, which are kept once per pool, and loaded once per worker.
//!
//! A pool writes each function to an anonymous file, and a call names the place of its function there. A
//! worker opens the file when it starts, and reads a function at its first call. So a call costs the same
//! however large its function is, and a worker that replaces another one needs nothing to be sent again.
//!
//! A function is in memory as long as a [`StoredFunction`] exists, which each call has until it is resolved.
//! Then its pages are freed: the file has a hole there. No place is used twice, so a worker that has loaded
//! the function can find out from the file that it is not needed any more.

use std::{
    fs::File,
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{FileExt, MetadataExt},
    },
    process,
    sync::Arc,
};

use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, fallocate},
    sys::memfd::{MFdFlags, memfd_create},
    unistd::{Whence, lseek},
};
use parking_lot::Mutex;
use pyo3::{prelude::*, types::PyBytes};
use serde::{Deserialize, Serialize};

/// Place of a function in the file of its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct FunctionId {
    /// A multiple of the size of a page.
    offset: u64,
    /// Length of the pickle in bytes.
    length: u32,
    /// Whether only one map calls the function.
    is_temporary: bool,
}

impl FunctionId {
    /// Length of the pickle in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length.into()
    }

    /// Whether only one map calls the function.
    pub(crate) fn is_temporary(&self) -> bool {
        self.is_temporary
    }
}

/// A function that a pool can call. Created by `Pool.add_function`.
#[pyclass(frozen)]
pub(crate) struct Function {
    pub(crate) stored: Arc<StoredFunction>,
}

#[pymethods]
impl Function {
    /// Length of the pickle in bytes.
    #[getter]
    fn size(&self) -> u64 {
        self.stored.id.length()
    }

    /// Whether this is the pickle of the function.
    fn holds(&self, pickle: &Bound<'_, PyBytes>) -> PyResult<bool> {
        let (id, pickle) = (self.stored.id, pickle.as_bytes());
        Ok(id.length() == pickle.len() as u64 && read(&self.stored.store.file, id)? == pickle)
    }
}

/// A pickled function, which is freed when this is dropped.
pub(crate) struct StoredFunction {
    id: FunctionId,
    store: Arc<FunctionStore>,
}

impl StoredFunction {
    pub(crate) fn id(&self) -> FunctionId {
        self.id
    }
}

impl Drop for StoredFunction {
    fn drop(&mut self) {
        self.store.free(self.id);
    }
}

/// The functions of a pool.
pub(crate) struct FunctionStore {
    file: File,
    /// Size of a page in bytes.
    page: u64,
    /// Length of the file in bytes.
    end: Mutex<u64>,
    /// The process that created the file.
    process: u32,
}

impl FunctionStore {
    /// Creates an empty store.
    ///
    /// # Errors
    /// The system is out of memory or file descriptors.
    pub(crate) fn new() -> io::Result<FunctionStore> {
        let file = File::from(memfd_create(c"runner-functions", MFdFlags::MFD_CLOEXEC)?);
        let page = file.metadata()?.blksize();
        Ok(FunctionStore { file, page, end: Mutex::new(0), process: process::id() })
    }

    /// Returns the path under which workers open the file, while this process lives.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.file.as_raw_fd())
    }

    /// Adds a pickled function.
    ///
    /// # Errors
    /// The system is out of memory, or the pickle has 4 GiB or more.
    pub(crate) fn add(self: &Arc<Self>, pickle: &[u8], is_temporary: bool) -> io::Result<StoredFunction> {
        let length = u32::try_from(pickle.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let offset = self.reserve(length.into());
        let id = FunctionId { offset, length, is_temporary };
        let stored = StoredFunction { id, store: self.clone() };
        self.file.write_all_at(pickle, offset)?;
        Ok(stored)
    }

    /// Reserves whole pages of the file. Returns their offset.
    fn reserve(&self, length: u64) -> u64 {
        let mut end = self.end.lock();
        let offset = *end;
        *end += length.next_multiple_of(self.page);
        offset
    }

    /// Frees the memory of a function that will not be called again.
    fn free(&self, id: FunctionId) {
        if self.process != process::id() {
            // The parent of this process still needs it.
            return;
        }
        let (Ok(offset), Ok(length)) =
            (i64::try_from(id.offset), i64::try_from(id.length().next_multiple_of(self.page)))
        else {
            return;
        };
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        // A failure only means that the memory is used until the pool ends.
        let _ = fallocate(&self.file, flags, offset, length);
    }
}

/// The functions of the parent's pool, in a worker.
pub(crate) struct FunctionReader(File);

impl FunctionReader {
    pub(crate) fn open(path: &str) -> io::Result<FunctionReader> {
        File::open(path).map(FunctionReader)
    }

    /// Returns a pickled function.
    pub(crate) fn read(&self, id: FunctionId) -> io::Result<Vec<u8>> {
        read(&self.0, id)
    }

    /// Whether the parent has freed a function, so that no call needs it any more.
    pub(crate) fn is_freed(&self, id: FunctionId) -> bool {
        let Ok(offset) = i64::try_from(id.offset) else { return false };
        match lseek(&self.0, offset, Whence::SeekData) {
            Ok(data) => data != offset,
            Err(error) => error == Errno::ENXIO,
        }
    }
}

fn read(file: &File, id: FunctionId) -> io::Result<Vec<u8>> {
    let mut pickle = vec![0; id.length as usize];
    file.read_exact_at(&mut pickle, id.offset)?;
    Ok(pickle)
}
