//! Appending.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::layout::{self, Record, file_header};

/// So much memory is kept from one group to the next.
const KEPT: usize = 1 << 20;

/// A journal that can be appended to.
#[derive(Debug)]
pub struct Journal {
    file: Arc<File>,
    path: PathBuf,
    /// Where the next record goes.
    end: u64,
    durable: bool,
    /// What follows the end has been cut off.
    is_clean: bool,
    bytes: Vec<u8>,
}

impl Journal {
    pub(crate) fn new(file: Arc<File>, path: PathBuf, end: u64, durable: bool) -> Journal {
        Journal { file, path, end, durable, is_clean: false, bytes: Vec::new() }
    }

    /// Appends a group of records: by one write and, if the journal is to be durable, one sync. After an error none of
    /// them counts as appended, and the journal is not to be used any more.
    ///
    /// # Errors
    /// When they cannot be written, or a text has 4 GiB or more.
    pub fn append<'a>(&mut self, records: impl IntoIterator<Item = Record<'a>>) -> io::Result<()> {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        if self.end == 0 {
            self.bytes.extend_from_slice(&file_header());
        }
        for record in records {
            let offset = self.end + self.bytes.len() as u64;
            if !layout::push(&record, offset, &mut self.bytes) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "an outcome is too long for it"));
            }
        }
        let written = self.write();
        if written.is_err() {
            // A part may have been written; whoever reads it would drop it as well.
            let _ = self.file.set_len(self.end);
            return written;
        }
        self.end += self.bytes.len() as u64;
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        if !self.is_clean {
            self.file.set_len(self.end)?;
        }
        self.file.write_all_at(&self.bytes, self.end)?;
        if self.durable {
            self.file.sync_data()?;
            if !self.is_clean {
                sync_entry(&self.path)?;
            }
        }
        self.is_clean = true;
        Ok(())
    }
}

/// Makes sure that a file that may be new is found again.
fn sync_entry(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
