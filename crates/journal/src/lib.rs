//! An append-only record of outcomes, from which a run that was ended is taken up again.
//!
//! [`Journal`] appends groups of [`Record`]s, [`Recorded`] finds those of an earlier run. What a record's text means is
//! its owner's business.
//!
//! # The file
//!
//! A file starts with 16 bytes, its name and version; records follow, in the order in which the jobs ended:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | a mark |
//! | 4 | the length of the text |
//! | 8 | the job's position |
//! | 16 | the digest of the job's text |
//! | 1, 3 | how it ended, in its owner's numbers; zeros |
//! | 4 | a checksum of the above, and of the place in the file that it belongs to |
//! | length | the text |
//! | 8 | a checksum of the text, and of the checksum before |
//!
//! Numbers are little-endian. There may be several records of a position; the last one counts.
//!
//! # What can be wrong with it
//!
//! A run that is killed, or a machine that loses its power, may leave the last record or records torn. That is
//! expected: what follows the last whole record is [dropped](Recorded::dropped), once something is appended in its place.
//! If there is a whole record *behind* a bad one, however, the file was damaged later, and records that have been printed
//! may be among what is lost; such a file is [refused](Error::Corrupt). To tell the two apart, the rest of the file is
//! searched for marks. The place in the checksum keeps a copy of a journal inside of a text from being taken for a part of
//! this one; where bytes were removed or inserted, records that follow are found by the place that they belong to
//! (`damage.rs`).
//!
//! ```
//! use journal::{Digest, Locked, Record};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("journal");
//! let digest = Digest::of("gcd", b"[4, 6]");
//! let mut journal = Locked::open(&path)?.start(true)?;
//! journal.append([Record { position: 7, digest, kind: 0, text: b"2" }])?;
//! drop(journal); // which lets go of the lock
//!
//! let (_, mut recorded) = Locked::open(&path)?.resume(true)?;
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
pub use locked::Locked;
pub use recorded::Recorded;
