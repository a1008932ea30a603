//! A file that nobody else may use as a journal meanwhile.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Error, Journal, Recorded,
    layout::{FILE_HEADER, Start, judge},
    reader::Reader,
};

/// How long to try for the lock. Whoever was killed a moment ago may not have let go of it: a process that was about to
/// become its worker holds it until it has become one.
const PATIENCE: Duration = Duration::from_millis(500);

/// A file that is to be a journal, open and locked. Nothing has been written to it.
#[derive(Debug)]
pub struct Locked {
    file: File,
    path: PathBuf,
}

impl Locked {
    /// Opens a file, which is made if it is missing, and locks it. The lock ends with the process at the latest.
    ///
    /// # Errors
    /// When it is no regular file, cannot be opened, or somebody else holds the lock.
    pub fn open(path: &Path) -> Result<Locked, Error> {
        // Looked at before it is opened: opening a device may do something.
        if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return Err(Error::NotAFile);
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        Locked::lock(file, path)
    }

    /// Locks a file that is open for reading and writing. `path` is its name, in messages and for what is created beside it.
    ///
    /// # Errors
    /// When it is no regular file, or somebody else holds the lock or has removed the file.
    pub fn lock(file: File, path: &Path) -> Result<Locked, Error> {
        if !file.metadata()?.is_file() {
            return Err(Error::NotAFile);
        }
        lock(&file)?;
        // The run that held the lock may have created the file and removed it again.
        if file.metadata()?.nlink() == 0 {
            return Err(Error::Busy);
        }
        Ok(Locked { file, path: path.to_owned() })
    }

    /// Starts a journal. `durable`: what has been appended is on the disk when [`append`](Journal::append) returns.
    ///
    /// # Errors
    /// When the file is not empty, or cannot be read.
    pub fn start(self, durable: bool) -> Result<Journal, Error> {
        let length = self.file.metadata()?.len();
        let file = Arc::new(self.file);
        let mut reader = Reader::new(file.clone(), length);
        // A run that was killed at its very start may have left a part of a header.
        let start = reader.slice(0, length.min(FILE_HEADER as u64))?.unwrap_or_default();
        let is_empty =
            length <= FILE_HEADER as u64 && matches!(judge(start), Start::Nothing | Start::Journal);
        if is_empty { Ok(Journal::new(file, self.path, 0, durable)) } else { Err(Error::NotEmpty) }
    }

    /// Takes up a journal where it ends, or starts one if the file is empty. Nothing is changed before something is
    /// appended.
    ///
    /// # Errors
    /// When the file is no journal, of another version, damaged, or cannot be read.
    pub fn resume(self, durable: bool) -> Result<(Journal, Recorded), Error> {
        let length = self.file.metadata()?.len();
        if durable {
            // The run that wrote it may have been less careful.
            self.file.sync_data()?;
        }
        let file = Arc::new(self.file);
        let (recorded, end) = Recorded::read(file.clone(), length)?;
        Ok((Journal::new(file, self.path, end, durable), recorded))
    }
}

fn lock(file: &File) -> Result<(), Error> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(Error::Io(error)),
            Err(TryLockError::WouldBlock) if start.elapsed() > PATIENCE => return Err(Error::Busy),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_has_been_removed_is_no_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let open =
            || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
        let file = open();
        fs::remove_file(&path).unwrap();
        assert!(matches!(Locked::lock(file, &path), Err(Error::Busy)));
        assert!(Locked::lock(open(), &path).is_ok());
    }
}
