//! Pickled functions, which are kept once per pool, and loaded once per worker.
//!
//! A pool appends each function to an anonymous file, and a call names the place of its function there. A
//! worker opens the file when it starts, and reads a function at its first call. So a call costs the same
//! however large its function is, and a worker that replaces another one needs nothing to be sent again.

use std::{
    fs::File,
    io,
    os::{fd::AsRawFd, unix::fs::FileExt},
    process,
};

use nix::{
    fcntl::{FallocateFlags, fallocate},
    sys::memfd::{MFdFlags, memfd_create},
};
use parking_lot::Mutex;
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

/// Place of a function in the file of its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct FunctionId {
    offset: u64,
    length: u32,
}

/// A function that a pool can call. Created by `Pool.add_function`.
#[pyclass(frozen)]
pub(crate) struct Function {
    pub(crate) id: FunctionId,
}

/// The functions of a pool.
pub(crate) struct FunctionStore {
    file: File,
    /// Length of the file in bytes.
    end: Mutex<u64>,
}

impl FunctionStore {
    /// Creates an empty store.
    ///
    /// # Errors
    /// The system is out of memory or file descriptors.
    pub(crate) fn new() -> io::Result<FunctionStore> {
        let file = memfd_create(c"runner-functions", MFdFlags::MFD_CLOEXEC)?;
        Ok(FunctionStore { file: file.into(), end: Mutex::new(0) })
    }

    /// Returns the path under which workers open the file, while this process lives.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.file.as_raw_fd())
    }

    /// Adds a pickled function.
    ///
    /// # Errors
    /// The system is out of memory, or the pickle has 4 GiB or more.
    pub(crate) fn add(&self, pickle: &[u8]) -> io::Result<FunctionId> {
        let length = u32::try_from(pickle.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut end = self.end.lock();
        self.file.write_all_at(pickle, *end)?;
        let id = FunctionId { offset: *end, length };
        *end += u64::from(length);
        Ok(id)
    }

    /// Frees the memory of a function that will not be called again.
    pub(crate) fn free(&self, id: FunctionId) {
        let (Ok(offset), length) = (i64::try_from(id.offset), i64::from(id.length)) else { return };
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
        let mut pickle = vec![0; id.length as usize];
        self.0.read_exact_at(&mut pickle, id.offset)?;
        Ok(pickle)
    }
}
