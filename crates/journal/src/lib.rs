//! An append-only record of outcomes, from which an interrupted run is resumed.
//!
//! Internal; unstable; use `runner-tool`.
//!
//! [`Journal`] appends groups of [`Record`]s, [`PastRecords`] finds those of an earlier run. The text of a
//! record is opaque to this crate.
//!
//! # File format
//!
//! A file starts with a header of 16 bytes: a magic string and the version. Records follow in the order in
//! which the jobs finished:
//!
//! | bytes | content |
//! |---|---|
//! | 4 | record mark |
//! | 4 | length of the text |
//! | 8 | position of the job in the input |
//! | 16 | digest of the job's text |
//! | 1, 3 | kind of outcome, defined by the user of this crate; zeros |
//! | 4 | checksum of the above and of the record's offset in the file |
//! | length | text |
//! | 8 | checksum of the text and of the previous checksum |
//!
//! Numbers are little-endian. If there are several records of a position, the last one is valid.
//!
//! # Torn and damaged files
//!
//! If a run is killed or a machine loses power, the last record or records may be torn. This is expected: the
//! bytes after the last complete record are [dropped](PastRecords::torn_bytes) when the next records are
//! appended. A complete record *after* an invalid one, however, means that the file was damaged after it
//! was written, and that records which have already been printed may be lost; such a file is
//! [rejected](Error::Corrupt). To distinguish the two cases, the rest of the file is searched for record
//! marks. Because the checksum covers the offset, a copy of a journal inside a text is not mistaken for
//! records of this journal. If bytes were removed or inserted, the records after them are recognised by the
//! offset at which they were written (`damage.rs`).
//!
//! ```
//! use journal::{Digest, LockedFile, Record};
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("journal");
//! let digest = Digest::of("gcd", b"[4, 6]");
//! let mut journal = LockedFile::open(&path)?.start(true)?;
//! journal.append([Record { position: 7, digest, kind: 0, text: b"2" }])?;
//! drop(journal); // releases the lock
//!
//! let (_, mut recorded) = LockedFile::open(&path)?.resume(true)?;
//! assert_eq!(recorded.last_position(), Some(7));
//! let found = recorded.find(7)?.ok_or("it was appended")?;
//! assert_eq!((found.digest, found.text), (digest, &b"2"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod damage;
mod digest;
mod error;
mod journal;
mod layout;
mod locked;
mod reader;
mod recorded;

pub use digest::Digest;
pub use error::Error;
pub use journal::Journal;
pub use layout::Record;
pub use locked::LockedFile;
pub use recorded::PastRecords;
