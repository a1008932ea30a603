//! Large data, where it is.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use sys::payload::{Payload, PrivateCopy};

/// Large data in the memory of this process or in a file.
#[derive(Clone, Debug)]
pub enum LargeData {
    /// In a file, which does not change.
    File(Arc<Payload>),
    /// Copied from another process's file.
    Copy(Arc<Copied>),
}

impl LargeData {
    /// Returns the bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            LargeData::File(file) => file.bytes(),
            LargeData::Copy(copy) => copy.bytes(),
        }
    }

    /// Returns the file, which is created if there is none.
    ///
    /// # Errors
    /// The system is out of memory or descriptors, or the file size limit is exceeded.
    pub fn file(&self) -> io::Result<Arc<Payload>> {
        match self {
            LargeData::File(file) => Ok(file.clone()),
            LargeData::Copy(copy) => copy.file(),
        }
    }
}

/// A copy of another process's data.
#[derive(Debug)]
pub struct Copied {
    bytes: PrivateCopy,
    /// A file of this process with the same contents, which is created when it is first passed on.
    file: OnceLock<Arc<Payload>>,
}

impl Copied {
    /// Returns the bytes.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.bytes()
    }

    /// Returns a file with the bytes.
    ///
    /// # Errors
    /// Those of [`LargeData::file`].
    pub fn file(&self) -> io::Result<Arc<Payload>> {
        if let Some(file) = self.file.get() {
            return Ok(file.clone());
        }
        let file = Arc::new(Payload::copy_of(self.bytes())?);
        Ok(self.file.get_or_init(|| file).clone())
    }

    /// Returns the memory.
    #[must_use]
    pub fn into_bytes(self) -> PrivateCopy {
        self.bytes
    }
}

impl From<PrivateCopy> for Copied {
    fn from(bytes: PrivateCopy) -> Copied {
        Copied { bytes, file: OnceLock::new() }
    }
}
