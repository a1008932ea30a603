//! Transfer of the files of large data between a pool and its workers.
//!
//! How the types of large data are encoded depends on the thread's *mode*:
//!
//! - Plain, in all other code: the items' bytes, for JSON, a file, or another machine.
//! - Between a pool and its worker: small data as bytes; large data as a reference to its file, by the
//!   process that has it open, its descriptor there, and its length. [`collect`] returns the files that were
//!   referred to. The sender keeps them until the receiver has opened them, too.
//!
//! A worker trusts its parent and [opens](open_referenced) each file when it decodes the reference. A parent
//! does not trust its worker: [`ReceivedFiles`] are opened from the list that comes with the outcomes, in the
//! worker that sent them, and a reference can only [name one of them](with_received).
//!
//! Files of medium size are [used again](sys::payload) by the process that created them, which a worker is
//! not trusted to do at the right time: a parent copies their contents when it decodes the reference.
//!
//! Values that are encoded within other encoded values, such as the arguments of a function in its call, keep
//! the files that they refer to next to their bytes, as [`AttachedFiles`].
//!
//! The mode is set while a value is encoded or decoded, and not while a job runs: what a job decodes itself
//! may come from anywhere.

mod attached;
mod data;
mod opening;
mod received;

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet, hash_map::Entry},
    mem, process,
    sync::Arc,
};

use sys::payload::Payload;

use crate::file_request;

pub use attached::AttachedFiles;
pub use data::{Copied, LargeData};
pub use opening::explain;
use opening::open_with;
pub use received::{InvalidList, ReceivedFiles};

/// How data is encoded and decoded on this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Encode and decode bytes.
    Plain,
    /// Encode large data as references.
    Collect,
    /// Decode references and open their files.
    Open,
    /// Decode references to files that were received.
    Received,
}

thread_local! {
    static MODE: Cell<Mode> = const { Cell::new(Mode::Plain) };
    /// Number of `COLLECTED` files. Reading it takes less time, as it needs no destructor.
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static COLLECTED: RefCell<Vec<Arc<Payload>>> = const { RefCell::new(Vec::new()) };
    static RECEIVED: RefCell<ReceivedFiles> = const { RefCell::new(ReceivedFiles::none()) };
    /// Whether there are `OPENED` files.
    static HAS_OPENED: Cell<bool> = const { Cell::new(false) };
    /// Files that were opened in this scope, so that clones of a value are opened once.
    static OPENED: RefCell<Option<HashMap<FileKey, Arc<Payload>>>> = const { RefCell::new(None) };
}

/// Files that encoded values refer to. They are kept open. Values that refer to the same file may add it
/// several times.
///
/// Nearly all values have none, so this has the size of a pointer: it is returned for each encoded job.
#[derive(Clone, Debug, Default)]
#[expect(clippy::box_collection, reason = "a vector has three times the size")]
pub struct Files(Option<Box<Vec<Arc<Payload>>>>);

impl Files {
    /// Returns true if there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn list(&self) -> &[Arc<Payload>] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Returns the files; those that several values refer to may be repeated.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Payload>> {
        self.list().iter()
    }

    /// Number of files.
    #[must_use]
    pub fn count(&self) -> usize {
        self.list().len()
    }

    /// Adds other files.
    pub fn extend(&mut self, other: Files) {
        if let Some(others) = other.0 {
            self.0.get_or_insert_default().extend(*others);
        }
    }

    /// Size of all files in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.descriptors().map(|(_, length)| length).sum()
    }

    /// Returns the descriptor and length of each file, once.
    pub fn descriptors(&self) -> impl Iterator<Item = (u32, u64)> {
        let mut known = HashSet::new();
        let files = self.list().iter().map(|file| (file.number(), file.length() as u64));
        files.filter(move |(number, _)| known.insert(*number))
    }
}

/// Restores the mode of the thread, and drops the files collected since, when it is dropped.
struct Scope {
    before: Mode,
    collected: usize,
}

impl Scope {
    #[inline]
    fn enter(mode: Mode) -> Scope {
        Scope { before: MODE.replace(mode), collected: COUNT.get() }
    }

    /// Returns the files that were collected in this scope.
    #[inline]
    fn take_collected(&self) -> Files {
        if COUNT.get() == self.collected { Files::default() } else { self.split_off() }
    }

    #[cold]
    fn split_off(&self) -> Files {
        COUNT.set(self.collected);
        let mut files = COLLECTED.with_borrow_mut(|files| files.split_off(self.collected));
        files.sort_unstable_by_key(|file| file.number());
        files.dedup_by_key(|file| file.number());
        Files(Some(Box::new(files)))
    }
}

impl Drop for Scope {
    #[inline]
    fn drop(&mut self) {
        MODE.set(self.before);
        drop(self.take_collected());
    }
}

/// Returns the mode of this thread.
#[must_use]
pub fn mode() -> Mode {
    MODE.get()
}

/// Encodes large data as references to files within `encode`. Returns its result and these files.
#[inline]
pub fn collect<R>(encode: impl FnOnce() -> R) -> (R, Files) {
    let scope = Scope::enter(Mode::Collect);
    let result = encode();
    (result, scope.take_collected())
}

/// Opens the files that values decoded within `decode` refer to. For values of this process's parent only.
#[inline]
pub fn open_referenced<R>(decode: impl FnOnce() -> R) -> R {
    /// Forgets the files that were opened in this scope.
    struct Forget;

    impl Drop for Forget {
        #[inline]
        fn drop(&mut self) {
            if HAS_OPENED.replace(false) {
                OPENED.take();
            }
        }
    }

    let _scope = Scope::enter(Mode::Open);
    let _forget = Forget;
    decode()
}

/// Decodes outcomes within `decode`, which may refer to `files`.
pub fn with_received<R>(files: &ReceivedFiles, decode: impl FnOnce() -> R) -> R {
    /// Restores the files of an outer call.
    struct Restore(ReceivedFiles);

    impl Drop for Restore {
        fn drop(&mut self) {
            RECEIVED.replace(mem::take(&mut self.0));
        }
    }

    let _scope = Scope::enter(Mode::Received);
    let _restore = Restore(RECEIVED.replace(files.clone()));
    decode()
}

/// A reference to a file that another process has open.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    /// Id of the process.
    pub pid: u32,
    /// Descriptor of the file in that process.
    pub fd: u32,
    /// Length of the file in bytes.
    pub length: u64,
}

impl Reference {
    /// Returns a reference to a file, which is collected by the innermost [`collect`].
    #[must_use]
    pub fn to(file: Arc<Payload>) -> Reference {
        let (fd, length) = (file.number(), file.length() as u64);
        COLLECTED.with_borrow_mut(|files| files.push(file));
        COUNT.set(COUNT.get() + 1);
        Reference { pid: process::id(), fd, length }
    }

    /// Returns the data, from the file, which is opened if necessary.
    ///
    /// # Errors
    /// The mode does not allow references, or the file cannot be opened or copied, or was not received.
    pub fn resolve(self) -> Result<LargeData, String> {
        match mode() {
            Mode::Open => self.open_once().map(LargeData::File),
            Mode::Received => RECEIVED.with_borrow(|files| files.get(self.fd, self.length)),
            Mode::Plain | Mode::Collect => Err("a reference to a file outside of a pool".to_owned()),
        }
    }

    /// Opens the file, unless it has been opened in this scope.
    fn open_once(self) -> Result<Arc<Payload>, String> {
        let key = (self.pid, self.fd, self.length);
        OPENED.with_borrow_mut(|files| match files.get_or_insert_default().entry(key) {
            Entry::Occupied(known) => Ok(known.get().clone()),
            Entry::Vacant(entry) => {
                let open = |length| match file_request::requested(self.fd) {
                    Some(passed) => Payload::open_passed(passed?, length),
                    None => Payload::open_of_process(self.pid, self.fd, length),
                };
                let file = open_with(self.pid, self.length, open)?;
                HAS_OPENED.set(true);
                Ok(entry.insert(Arc::new(file)).clone())
            }
        })
    }
}

/// Process id, descriptor and length of a file.
type FileKey = (u32, u32, u64);
