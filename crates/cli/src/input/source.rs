//! Opening all inputs before the first job starts.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    os::fd::AsFd,
    path::Path,
};

use crate::{
    error::RunError,
    plan::{Input, Plan},
};

/// An open input.
pub(crate) struct Source {
    pub(crate) name: String,
    /// Its size, where it has one.
    pub(crate) size: Option<u64>,
    reader: Reader,
}

enum Reader {
    Standard,
    File(File),
}

impl Source {
    /// What the system knows of it.
    pub(crate) fn metadata(&self) -> Option<Metadata> {
        match &self.reader {
            Reader::Standard => {
                io::stdin().as_fd().try_clone_to_owned().and_then(|fd| File::from(fd).metadata()).ok()
            }
            Reader::File(file) => file.metadata().ok(),
        }
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.reader {
            // The lock is taken for each read only, so that nothing waits for a thread that waits for input.
            Reader::Standard => io::stdin().lock().read(into),
            Reader::File(file) => file.read(into),
        }
    }
}

/// Opens all inputs of a plan.
pub(crate) fn open_all(plan: &Plan) -> Result<Vec<Source>, RunError> {
    plan.inputs.iter().map(open).collect()
}

fn open(input: &Input) -> Result<Source, RunError> {
    let name = input.name();
    match input {
        Input::Standard => Ok(Source { name, size: None, reader: Reader::Standard }),
        Input::File(path) => {
            let (file, size) = open_file(path, &name)?;
            Ok(Source { name, size, reader: Reader::File(file) })
        }
    }
}

fn open_file(path: &Path, name: &str) -> Result<(File, Option<u64>), RunError> {
    let failed = |error| RunError::OpenInput { name: name.to_owned(), error };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(RunError::InputIsDirectory { name: name.to_owned() });
    }
    Ok((file, metadata.is_file().then_some(metadata.len())))
}
