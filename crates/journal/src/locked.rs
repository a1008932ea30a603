//! Opens and locks a journal, so that no other run uses it at the same time.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Error, Journal, PastRecords,
    layout::{FILE_HEADER, FileKind, file_kind},
    reader::Reader,
};

/// Timeout for locking. A run that was killed just before may still hold the lock for a moment: a process
/// that it has forked to become a worker holds it until `exec`.
const LOCK_TIMEOUT: Duration = Duration::from_millis(500);

/// An open and locked file that will be used as a journal. Nothing has been written to it yet.
#[derive(Debug)]
pub struct LockedFile {
    file: File,
    path: PathBuf,
}

impl LockedFile {
    /// Opens a file, creating it if necessary, and locks it; waits up to 500 ms for the lock. The lock is
    /// released at the latest when the process exits.
    ///
    /// # Errors
    /// If it is not a regular file, cannot be opened, or is locked by another process or handle.
    pub fn open(path: &Path) -> Result<LockedFile, Error> {
        // Checked before opening, because opening a device may have side effects.
        if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return Err(Error::NotAFile);
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        LockedFile::lock(file, path)
    }

    /// Locks a file that is open for reading and writing; waits up to 500 ms for the lock. `path` is the
    /// file's name, used to sync its directory.
    ///
    /// # Errors
    /// If it is not a regular file, is locked by another process or handle, or has been removed.
    pub fn lock(file: File, path: &Path) -> Result<LockedFile, Error> {
        if !file.metadata()?.is_file() {
            return Err(Error::NotAFile);
        }
        lock(&file)?;
        // The run that held the lock may have created the file and removed it again.
        if file.metadata()?.nlink() == 0 {
            return Err(Error::Busy);
        }
        Ok(LockedFile { file, path: path.to_owned() })
    }

    /// Starts a new journal. If `durable`, records are on disk when [`append`](Journal::append) returns.
    ///
    /// # Errors
    /// If the file is not empty or cannot be read.
    pub fn start(self, durable: bool) -> Result<Journal, Error> {
        let length = self.file.metadata()?.len();
        let file = Arc::new(self.file);
        let mut reader = Reader::new(file.clone(), length);
        // A run that was killed while it wrote the header may have left a part of it.
        let start = reader.slice(0, length.min(FILE_HEADER as u64))?.unwrap_or_default();
        let is_empty =
            length <= FILE_HEADER as u64 && matches!(file_kind(start), FileKind::Empty | FileKind::Journal);
        if is_empty { Ok(Journal::new(file, self.path, 0, durable)) } else { Err(Error::NotEmpty) }
    }

    /// Continues a journal at its end, or starts one if the file is empty. The file is not modified until
    /// records are appended.
    ///
    /// # Errors
    /// If the file is not a journal, has another version, is damaged, or cannot be read.
    pub fn resume(self, durable: bool) -> Result<(Journal, PastRecords), Error> {
        let length = self.file.metadata()?.len();
        if durable {
            // The run that wrote it may not have been durable.
            self.file.sync_data()?;
        }
        let file = Arc::new(self.file);
        let (recorded, end) = PastRecords::read(file.clone(), length)?;
        Ok((Journal::new(file, self.path, end, durable), recorded))
    }
}

fn lock(file: &File) -> Result<(), Error> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(Error::Io(error)),
            Err(TryLockError::WouldBlock) if start.elapsed() > LOCK_TIMEOUT => return Err(Error::Busy),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn rejects_a_file_that_has_been_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let open =
            || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
        let file = open();
        fs::remove_file(&path).unwrap();
        assert!(matches!(LockedFile::lock(file, &path), Err(Error::Busy)));
        assert!(LockedFile::lock(open(), &path).is_ok());
    }
}
