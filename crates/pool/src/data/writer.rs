//! Data whose length is not known in advance.

use std::{io, mem, sync::Arc};

use sys::{call::is_out_of_descriptors, payload::PayloadWriter};

use super::shared::{Blob, MIN_SHARED_SIZE, Shared, Storage, creation_error};

/// Writer of a [`Blob`] whose length is not known in advance.
///
/// Bytes are buffered until there are enough for a file, and then written to it in pieces of that size.
///
/// ```
/// use std::io::Write;
/// use pool::data::BlobWriter;
///
/// let mut writer = BlobWriter::new();
/// for n in 0..1000 {
///     writeln!(writer, "line {n}")?;
/// }
/// let blob = writer.finish()?;
/// assert!(blob.ends_with(b"line 999\n"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct BlobWriter {
    /// Bytes that are not in the file yet; fewer than [`MIN_SHARED_SIZE`], unless there was no descriptor for
    /// one.
    buffer: Vec<u8>,
    file: Option<PayloadWriter>,
    /// Kind and message of the first error. Bytes may be missing since.
    error: Option<(io::ErrorKind, String)>,
}

impl BlobWriter {
    /// Creates a writer without bytes.
    #[must_use]
    pub fn new() -> BlobWriter {
        BlobWriter::default()
    }

    /// Returns the bytes written so far.
    ///
    /// # Errors
    /// The system is out of memory, or the size exceeds `RLIMIT_FSIZE`; or a write failed
    /// before: a blob never lacks bytes.
    pub fn finish(self) -> io::Result<Blob> {
        self.check()?;
        let Some(mut file) = self.file else { return Ok(self.buffer.into()) };
        let written = file.write_all(&self.buffer).and_then(|()| file.finish());
        Ok(Shared(Storage::File(Arc::new(written.map_err(|error| creation_error(&error))?))))
    }

    /// Returns the error of an earlier write.
    fn check(&self) -> io::Result<()> {
        self.error.as_ref().map_or(Ok(()), |(kind, message)| Err(io::Error::new(*kind, message.clone())))
    }

    /// Writes the buffered bytes and these to the file.
    fn append_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.create_file() {
            if is_out_of_descriptors(&error) {
                self.buffer.extend_from_slice(bytes);
                return Ok(());
            }
            return Err(self.note(&error));
        }
        let mut buffer = mem::take(&mut self.buffer);
        let written = self.append(&buffer).and_then(|()| self.append(bytes));
        buffer.clear();
        self.buffer = buffer;
        written.map_err(|error| self.note(&error))
    }

    /// Creates the file if there is none.
    fn create_file(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(PayloadWriter::new()?);
        }
        Ok(())
    }

    /// Appends bytes to the file.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
    }

    /// Notes the first error. Returns it with what it is about.
    fn note(&mut self, error: &io::Error) -> io::Error {
        let error = creation_error(error);
        self.error = Some((error.kind(), error.to_string()));
        error
    }
}

impl io::Write for BlobWriter {
    /// # Errors
    /// Those of [`finish`](BlobWriter::finish). After an error every other call fails, too.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        if self.buffer.len() + bytes.len() < MIN_SHARED_SIZE {
            self.buffer.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        self.append_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Blob {
    /// Reads bytes until the end of `reader`, large data directly into shared memory.
    ///
    /// ```
    /// use std::fs::File;
    /// use pool::data::Blob;
    ///
    /// let program = Blob::from_reader(File::open("/proc/self/exe")?)?;
    /// assert_eq!(program[..4], *b"\x7fELF");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of the reader and of [`with_len`](Shared::with_len).
    pub fn from_reader(mut reader: impl io::Read) -> io::Result<Blob> {
        let mut writer = BlobWriter::new();
        io::copy(&mut reader, &mut writer)?;
        writer.finish()
    }
}
