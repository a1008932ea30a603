//! A file that was created before it was known whether it is going to be used.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::identity::FileIdentity;

/// Removes a file that has been created, unless it is kept.
#[derive(Debug)]
pub(crate) struct CreatedFile {
    path: PathBuf,
    file: Option<File>,
}

impl CreatedFile {
    /// The file that has been created under `path`, which may be a symbolic link to it.
    pub(super) fn new(path: &Path, file: &File) -> io::Result<CreatedFile> {
        // A relative path might mean another file later.
        Ok(CreatedFile { path: path.canonicalize()?, file: Some(file.try_clone()?) })
    }

    /// Leaves the file where it is.
    pub(crate) fn keep(mut self) {
        self.file = None;
    }

    /// Another run may have opened the file in the meantime. If that uses it as a journal it has locked it or
    /// is about to, and then finds that the name is gone.
    fn is_unused(&self, file: &File) -> io::Result<bool> {
        let (ours, named) = (file.metadata()?, self.path.symlink_metadata()?);
        Ok(FileIdentity::from(&ours) == FileIdentity::from(&named)
            && ours.len() == 0
            && !matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }
}

impl Drop for CreatedFile {
    fn drop(&mut self) {
        let Some(file) = &self.file else { return };
        if self.is_unused(file).unwrap_or(false) {
            // That it stays is no reason for another error beside the one that is reported.
            let _ = fs::remove_file(&self.path);
        }
    }
}
