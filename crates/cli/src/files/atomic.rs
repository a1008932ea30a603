//! A file that is replaced as a whole.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::{Builder, NamedTempFile};

/// Permissions of a new file before the umask is applied: collectors often run as another user.
const MODE: u32 = 0o666;

/// A file that readers find either with its previous or with its new content, never with a part of it.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    path: PathBuf,
    folder: PathBuf,
}

impl AtomicFile {
    /// Prepares a file at `path`, which may be a symbolic link to it. Creates nothing that remains.
    ///
    /// # Errors
    /// If there is something else than a regular file, or no file can be created beside it.
    pub(crate) fn new(path: &Path) -> io::Result<AtomicFile> {
        let path = if path.exists() { path.canonicalize()? } else { path.to_owned() };
        if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let file = AtomicFile { folder: parent.unwrap_or(Path::new(".")).canonicalize()?, path };
        file.temporary()?;
        Ok(file)
    }

    /// Replaces the content.
    ///
    /// # Errors
    /// If it cannot be written. The previous content remains then.
    pub(crate) fn write(&self, content: &[u8]) -> io::Result<()> {
        let mut file = self.temporary()?;
        file.write_all(content)?;
        let target = self.folder.join(self.path.file_name().unwrap_or_default());
        if let Ok(metadata) = fs::metadata(&target) {
            file.as_file().set_permissions(metadata.permissions())?;
        }
        file.persist(target).map_err(|error| error.error)?;
        Ok(())
    }

    /// Creates a temporary file in the same folder, so that it can be renamed. Its name does not match the
    /// `*.prom` that collectors look for.
    fn temporary(&self) -> io::Result<NamedTempFile> {
        let permissions = fs::Permissions::from_mode(MODE);
        Builder::new()
            .prefix(".runner-metrics-")
            .suffix(".tmp")
            .permissions(permissions)
            .tempfile_in(&self.folder)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_the_file_and_leaves_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.prom");
        let file = AtomicFile::new(&path).unwrap();
        assert!(names(folder.path()).is_empty(), "nothing is created before the first write");
        file.write(b"one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        file.write(b"two").unwrap();
        assert_eq!(
            (fs::read(&path).unwrap().as_slice(), names(folder.path())),
            (&b"two"[..], vec!["run.prom".to_owned()])
        );
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn follows_a_symbolic_link() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "").unwrap();
        symlink("target", &link).unwrap();
        AtomicFile::new(&link).unwrap().write(b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert!(link.is_symlink());
    }

    #[test]
    fn refuses_what_is_not_a_regular_file() {
        assert!(AtomicFile::new(Path::new("/dev/null")).is_err());
        assert!(AtomicFile::new(Path::new("/")).is_err());
        assert!(AtomicFile::new(Path::new("/missing/file")).is_err());
    }
}
