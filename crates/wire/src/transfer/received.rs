//! Files that came with outcomes.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use sys::payload::{
    ChangeableFile, MAX_REUSED, Payload, PrivateCopy, Received as Opened, are_descriptors_scarce,
};

use super::{
    data::{Copied, LargeData},
    opening::{explain, open_with},
};

/// Files that came with outcomes, by their descriptors in the worker.
#[derive(Clone, Debug, Default)]
pub struct ReceivedFiles(Option<Arc<Received>>);

#[derive(Debug, Default)]
struct Received {
    files: HashMap<u32, File>,
    /// Error of opening a file; those after it were not opened.
    error: Option<String>,
}

#[derive(Debug)]
enum File {
    Constant(LargeData),
    /// A file that the worker can change, and the copy of it, while it is in use: values that refer to the
    /// same file share it.
    Changeable(ChangeableFile, Mutex<Weak<Copied>>),
}

impl File {
    /// Opens a file of a worker.
    fn open(pid: u32, fd: u32, length: u64) -> Result<File, String> {
        let opened = open_with(pid, length, |length| Payload::receive_of_process(pid, fd, length))?;
        // Otherwise it is copied later, when this process is not in the way of the worker.
        let is_copied = are_descriptors_scarce() && length <= MAX_REUSED as u64;
        Ok(match opened {
            Opened::Sealed(file) if is_copied => File::copy_of(file.private_copy())?,
            Opened::Changeable(file) if is_copied => File::copy_of(file.read())?,
            Opened::Sealed(file) => File::Constant(LargeData::File(Arc::new(file))),
            Opened::Changeable(file) => File::Changeable(file, Mutex::default()),
        })
    }

    /// A copy of a file that is closed, because descriptors are scarce.
    fn copy_of(bytes: io::Result<PrivateCopy>) -> Result<File, String> {
        let bytes = bytes.map_err(|error| copy_error(&error))?;
        Ok(File::Constant(LargeData::Copy(Arc::new(Copied::from(bytes)))))
    }

    fn length(&self) -> usize {
        match self {
            File::Constant(data) => data.bytes().len(),
            File::Changeable(file, _) => file.length(),
        }
    }

    fn data(&self) -> Result<LargeData, String> {
        let (file, copy) = match self {
            File::Constant(data) => return Ok(data.clone()),
            File::Changeable(file, copy) => (file, copy),
        };
        let mut copy = copy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(copied) = copy.upgrade() {
            return Ok(LargeData::Copy(copied));
        }
        let bytes = file.read().map_err(|error| copy_error(&error))?;
        let copied = Arc::new(Copied::from(bytes));
        *copy = Arc::downgrade(&copied);
        Ok(LargeData::Copy(copied))
    }
}

#[cold]
fn copy_error(error: &io::Error) -> String {
    format!("cannot copy shared data: {}", explain(error))
}

/// A list of files that a correct worker does not send: it has more files than a process can have, or one of
/// them twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidList;

impl ReceivedFiles {
    pub(super) const fn none() -> ReceivedFiles {
        ReceivedFiles(None)
    }

    /// Opens files of a process, which are given by descriptor and length in bytes, until there is an error.
    ///
    /// # Errors
    /// The list is one that a correct worker does not send.
    pub fn open(
        pid: u32,
        files: impl ExactSizeIterator<Item = (u32, u64)>,
    ) -> Result<ReceivedFiles, InvalidList> {
        if files.len() as u64 > sys::call::max_descriptors() {
            return Err(InvalidList);
        }
        let mut received = Received::default();
        for (fd, length) in files {
            if received.files.contains_key(&fd) {
                return Err(InvalidList);
            }
            match File::open(pid, fd, length) {
                Ok(file) => received.files.insert(fd, file),
                Err(error) => {
                    received.error = Some(error);
                    break;
                }
            };
        }
        Ok(ReceivedFiles(Some(Arc::new(received))))
    }

    /// Returns data by the descriptors that values refer to.
    pub(super) fn of(data: HashMap<u32, LargeData>) -> ReceivedFiles {
        let files = data.into_iter().map(|(fd, data)| (fd, File::Constant(data))).collect();
        ReceivedFiles(Some(Arc::new(Received { files, error: None })))
    }

    /// Returns the data of [`of`](ReceivedFiles::of).
    pub(super) fn constant(&self) -> impl Iterator<Item = (u32, &LargeData)> {
        self.0.iter().flat_map(|received| &received.files).filter_map(|(&fd, file)| match file {
            File::Constant(data) => Some((fd, data)),
            File::Changeable(..) => None,
        })
    }

    /// Returns true if a file could not be opened.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.as_ref().is_some_and(|received| received.error.is_some())
    }

    /// Returns the data in a file, of which a copy is made if the worker can change it.
    pub(super) fn get(&self, fd: u32, length: u64) -> Result<LargeData, String> {
        const NOT_SENT: &str = "a reference to a file that was not sent";
        let received = self.0.as_deref().ok_or(NOT_SENT)?;
        let file = received.files.get(&fd);
        let file = file.ok_or_else(|| received.error.clone().unwrap_or_else(|| NOT_SENT.to_owned()))?;
        if file.length() as u64 == length {
            file.data()
        } else {
            Err("a reference of wrong length".to_owned())
        }
    }
}
