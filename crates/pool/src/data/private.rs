//! Copies of shared data that may be changed.

use std::{
    fmt, io,
    ops::{Deref, DerefMut},
};

use sys::payload::PrivateCopy;

use super::{
    Blob,
    shared::{Storage, creation_error},
};

/// Bytes of a [`Blob`] that belong to this process and may be changed; see [`Blob::to_private`].
pub struct PrivateBytes(Copy);

enum Copy {
    Memory(Vec<u8>),
    Mapping(PrivateCopy),
}

impl Blob {
    /// Returns a copy that may be changed, as code expects that takes a mutable slice. For large data this
    /// costs little: the system copies each page of 4 KiB when it is first written to.
    ///
    /// ```
    /// use pool::data::Blob;
    ///
    /// let blob = Blob::with_len(1_000_000, |bytes| bytes.fill(7))?;
    /// let mut copy = blob.to_private()?;
    /// copy[0] = 8;
    /// assert_eq!((copy[0], copy[1], blob[0]), (8, 7, 7));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The system is out of memory or mappings.
    pub fn to_private(&self) -> io::Result<PrivateBytes> {
        Ok(PrivateBytes(match &self.0 {
            Storage::Memory(memory) => Copy::Memory(memory.items().to_vec()),
            Storage::File(file) => {
                Copy::Mapping(file.private_copy().map_err(|error| creation_error(&error))?)
            }
        }))
    }
}

impl Deref for PrivateBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Copy::Memory(bytes) => bytes,
            Copy::Mapping(copy) => copy.bytes(),
        }
    }
}

impl DerefMut for PrivateBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Copy::Memory(bytes) => bytes,
            Copy::Mapping(copy) => copy.bytes_mut(),
        }
    }
}

/// Shows the number of bytes only.
impl fmt::Debug for PrivateBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateBytes").field("len", &self.len()).finish_non_exhaustive()
    }
}
