//! Copies of shared data that may be changed.

use std::{
    fmt, io,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use sys::payload::PrivateCopy;

use super::{
    Blob, Shared,
    shared::{Storage, creation_error},
};

/// Bytes of a [`Blob`] that belong to this process and may be changed; see [`Blob::to_private`].
pub struct PrivateBytes(Copy);

enum Copy {
    Memory(Vec<u8>),
    Mapping(PrivateCopy),
}

impl Blob {
    /// Returns a copy that may be changed, as code expects that takes a mutable slice. For data of more than
    /// 32 MiB this costs little: the system copies each page of 4 KiB when it is first written to.
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
        let copied = match &self.0 {
            Storage::Memory(memory) => return Ok(PrivateBytes(Copy::Memory(memory.items().to_vec()))),
            Storage::File(file) => file.private_copy(),
            Storage::Copy(copy) => PrivateCopy::of(copy.bytes()),
        };
        Ok(PrivateBytes(Copy::Mapping(copied.map_err(|error| creation_error(&error))?)))
    }

    /// Returns the bytes, to be changed. They are copied, as by [`to_private`](Blob::to_private), unless they
    /// are in memory of this process and this has no clones; so is the large output of a job, up to 32 MiB.
    ///
    /// ```
    /// use pool::data::Blob;
    ///
    /// let blob = Blob::from(vec![1, 2, 3]);
    /// let start = blob.as_ptr();
    /// let mut bytes = blob.into_private()?;
    /// bytes[0] = 7;
    /// assert_eq!((&*bytes, bytes.as_ptr()), (&[7, 2, 3][..], start));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The system is out of memory or mappings.
    pub fn into_private(self) -> io::Result<PrivateBytes> {
        let storage = match self.0 {
            Storage::Memory(memory) => match Arc::try_unwrap(memory) {
                Ok(memory) => return Ok(PrivateBytes(Copy::Memory(memory.into_items()))),
                Err(memory) => Storage::Memory(memory),
            },
            Storage::Copy(copy) => match Arc::try_unwrap(copy) {
                Ok(copy) => return Ok(PrivateBytes(Copy::Mapping(copy.into_bytes()))),
                Err(copy) => Storage::Copy(copy),
            },
            file => file,
        };
        Shared(storage).to_private()
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
