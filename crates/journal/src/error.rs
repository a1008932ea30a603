//! Errors of opening a journal.

use std::io;

/// Reason why a file cannot be used as a journal.
///
/// ```
/// use journal::{Error, LockedFile};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("notes");
/// std::fs::write(&path, "to do: everything")?;
/// assert!(matches!(LockedFile::open(&path)?.resume(false), Err(Error::Foreign)));
/// let first = LockedFile::open(&path)?;
/// assert!(matches!(LockedFile::open(&path), Err(Error::Busy)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path is not a regular file but, for example, a terminal, a pipe or a directory.
    #[error("not a regular file")]
    NotAFile,
    /// Another process or handle holds the lock.
    #[error("in use by another run")]
    Busy,
    /// A new journal was requested, and the file contains records.
    #[error("not empty")]
    NotEmpty,
    /// The file has another format.
    #[error("not a journal")]
    Foreign,
    /// The journal has another version.
    #[error("unsupported version {0}")]
    Version(u16),
    /// The file is damaged: a complete record follows an invalid one.
    #[error("damaged at byte {offset}, complete records follow")]
    Corrupt {
        /// Offset of the damage in bytes.
        offset: u64,
    },
    /// An I/O error.
    #[error("{0}")]
    Io(#[from] io::Error),
}
