//! Files whose length is not known in advance.

use std::{io, os::fd::OwnedFd};

use super::{
    file::{self, Payload},
    new_file,
};

/// A file that is being written.
#[derive(Debug)]
pub struct PayloadWriter {
    pub(super) fd: OwnedFd,
    length: usize,
}

impl PayloadWriter {
    /// Creates an empty file.
    ///
    /// # Errors
    /// The system is out of memory or descriptors, or they are [scarce](super::are_descriptors_scarce).
    pub fn new() -> io::Result<PayloadWriter> {
        file::check_descriptors()?;
        Ok(PayloadWriter { fd: new_file::create()?, length: 0 })
    }

    /// Appends bytes to the file.
    ///
    /// # Errors
    /// The system is out of memory, or the file size limit is exceeded.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        new_file::check_size(self.length.saturating_add(bytes.len()))?;
        new_file::write_all(&self.fd, bytes)?;
        self.length += bytes.len();
        Ok(())
    }

    /// Seals the file.
    ///
    /// # Errors
    /// The file is empty, or the system is out of memory or mappings.
    pub fn finish(self) -> io::Result<Payload> {
        Payload::seal(self.fd, self.length)
    }
}
