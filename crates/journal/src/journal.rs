//! Appends records to a journal.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::layout::{self, Record, file_header};

/// Maximum capacity, in bytes, of the buffer that is kept between two groups.
const MAX_RETAINED: usize = 1 << 20;

/// A journal to which records can be appended.
#[derive(Debug)]
pub struct Journal {
    file: Arc<File>,
    path: PathBuf,
    /// Offset of the next record.
    end: u64,
    durable: bool,
    /// Whether the file has been truncated at `end`, which removes a torn end.
    is_truncated: bool,
    bytes: Vec<u8>,
}

impl Journal {
    pub(crate) fn new(file: Arc<File>, path: PathBuf, end: u64, durable: bool) -> Journal {
        Journal { file, path, end, durable, is_truncated: false, bytes: Vec::new() }
    }

    /// Appends a group of records with one write and, if the journal is durable, one sync. After an error
    /// none of them is valid, and the journal must not be used any more.
    ///
    /// # Errors
    /// If the records cannot be written, or a text has 4 GiB or more.
    pub fn append<'a>(&mut self, records: impl IntoIterator<Item = Record<'a>>) -> io::Result<()> {
        self.bytes.clear();
        self.bytes.shrink_to(MAX_RETAINED);
        if self.end == 0 {
            self.bytes.extend_from_slice(&file_header());
        }
        for record in records {
            let offset = self.end + self.bytes.len() as u64;
            if !layout::encode(&record, offset, &mut self.bytes) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "outcome of 4 GiB or more"));
            }
        }
        let written = self.write();
        if written.is_err() {
            // Removes records that were written in part. If this fails too, the next reader drops them.
            let _ = self.file.set_len(self.end);
            return written;
        }
        self.end += self.bytes.len() as u64;
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        if !self.is_truncated {
            self.file.set_len(self.end)?;
        }
        self.file.write_all_at(&self.bytes, self.end)?;
        if self.durable {
            self.file.sync_data()?;
            if !self.is_truncated {
                sync_parent_dir(&self.path)?;
            }
        }
        self.is_truncated = true;
        Ok(())
    }
}

/// Syncs the directory of a file that may be new, so that its entry survives a crash.
fn sync_parent_dir(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
}
