//! Why a file cannot be used as a journal.

use std::io;

/// Why a file cannot be used as a journal.
///
/// ```
/// use journal::{Error, Locked};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("notes");
/// std::fs::write(&path, "to do: everything")?;
/// assert!(matches!(Locked::open(&path)?.resume(false), Err(Error::Foreign)));
/// let first = Locked::open(&path)?;
/// assert!(matches!(Locked::open(&path), Err(Error::Busy)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is a terminal, a pipe, a folder.
    #[error("it is not a regular file")]
    NotAFile,
    /// Somebody else holds its lock.
    #[error("another run is using it")]
    Busy,
    /// It holds records, and a fresh one was asked for.
    #[error("it is not empty")]
    NotEmpty,
    /// It is something else.
    #[error("it is not a journal")]
    Foreign,
    /// It is a journal of another version.
    #[error("it is of version {0}, which this program does not read")]
    Version(u16),
    /// There is a whole record behind one that is not.
    #[error("it is damaged at byte {offset}, and there are whole records behind that")]
    Corrupt {
        /// Where the damage starts.
        offset: u64,
    },
    /// The system reports a failure.
    #[error("{0}")]
    Io(#[from] io::Error),
}
