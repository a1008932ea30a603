//! A file that was created before it was certain to be used.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use console::FileIdentity;

/// Guard that removes a created file when it is dropped, unless it is kept.
#[derive(Debug)]
pub(crate) struct CreatedFile {
    path: PathBuf,
    file: Option<File>,
}

impl CreatedFile {
    /// Creates a guard of the file created at `path`, which may be a symbolic link to it.
    pub(super) fn new(path: &Path, file: &File) -> io::Result<CreatedFile> {
        // A relative path may resolve to another file later.
        Ok(CreatedFile { path: path.canonicalize()?, file: Some(file.try_clone()?) })
    }

    /// Keeps the file.
    pub(crate) fn keep(mut self) {
        self.file = None;
    }

    /// Returns whether the file can be removed. Another run may have opened it in the meantime. If it uses
    /// the file as a journal it has locked it, or will lock it and then detect that the name is gone.
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
            // A failure to remove the file is not reported besides the error that ended the command.
            let _ = fs::remove_file(&self.path);
        }
    }
}
