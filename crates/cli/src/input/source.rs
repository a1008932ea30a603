//! Inputs. Regular files are opened before the first job starts, other files when they are read.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
    time::Duration,
};

use sys::{
    ready::{Interest, wait_ready},
    stream::Blocking,
};

use crate::{
    error::RunError,
    files::{Input, Registry},
};

/// A reader that can report whether the next read may block.
pub(crate) trait InputStream: Read {
    /// Returns whether the next read may block; `true` if unknown.
    fn may_wait(&self) -> bool;
}

/// An input.
pub(crate) struct InputSource {
    pub(crate) name: String,
    /// Size in bytes, of regular files only.
    pub(crate) size: Option<u64>,
    reader: SourceReader,
}

enum SourceReader {
    Standard,
    File(File),
    /// A FIFO or a device. Opening it may block, and its writer may depend on earlier inputs having been
    /// read.
    Special(PathBuf),
}

impl InputSource {
    /// Returns whether [`open`](InputSource::open) may block.
    pub(crate) fn may_block(&self) -> bool {
        matches!(self.reader, SourceReader::Special(_))
    }

    /// Opens an input that is not a regular file. Must be called before the first read.
    pub(crate) fn open(&mut self) -> Result<(), RunError> {
        if let SourceReader::Special(path) = &self.reader {
            self.reader =
                SourceReader::File(File::open(path).map_err(|error| open_failed(&self.name, error))?);
        }
        Ok(())
    }
}

impl Read for InputSource {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.reader {
            // Standard input is locked for each read only, so that no other thread waits for the lock during
            // a blocking read.
            SourceReader::Standard => Blocking(io::stdin()).read(into),
            SourceReader::File(file) => file.read(into),
            SourceReader::Special(_) => Err(io::Error::other("the input has not been opened")),
        }
    }
}

impl InputStream for InputSource {
    fn may_wait(&self) -> bool {
        let is_ready = |fd: BorrowedFd<'_>| wait_ready([Interest::Read(fd)], Some(Duration::ZERO)) == [true];
        !match &self.reader {
            SourceReader::Standard => is_ready(io::stdin().as_fd()),
            SourceReader::File(file) => is_ready(file.as_fd()),
            SourceReader::Special(_) => false,
        }
    }
}

impl InputStream for &[u8] {
    fn may_wait(&self) -> bool {
        false
    }
}

/// Opens the inputs that are regular files, and checks that the others exist.
pub(crate) fn open_all(inputs: &[Input], registry: &mut Registry) -> Result<Vec<InputSource>, RunError> {
    inputs.iter().map(|input| open(input, registry)).collect()
}

fn open(input: &Input, registry: &mut Registry) -> Result<InputSource, RunError> {
    let name = input.name();
    let (metadata, size, reader) = match input {
        Input::Standard => (None, None, SourceReader::Standard),
        Input::File(path) => {
            let metadata = path.metadata().map_err(|error| open_failed(&name, error))?;
            if metadata.is_dir() {
                return Err(RunError::InputIsDirectory { name });
            }
            if metadata.is_file() {
                let (file, metadata) = open_regular(path).map_err(|error| open_failed(&name, error))?;
                let size = metadata.len();
                (Some(metadata), Some(size), SourceReader::File(file))
            } else {
                (Some(metadata), None, SourceReader::Special(path.clone()))
            }
        }
    };
    registry.add_input(input, metadata.as_ref())?;
    Ok(InputSource { name, size, reader })
}

fn open_regular(path: &Path) -> io::Result<(File, std::fs::Metadata)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

fn open_failed(name: &str, error: io::Error) -> RunError {
    RunError::OpenInput { name: name.to_owned(), error }
}
