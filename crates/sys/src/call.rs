//! Errors that name the failed system call.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    sys::resource::{Resource, getrlimit},
};

/// A failed system call, the path that it was about, and the system's error.
///
/// ```
/// use std::io;
/// use sys::call::CallError;
///
/// let failed = CallError::at("open", "/dev/null", io::Error::from_raw_os_error(13));
/// assert_eq!(failed.to_string(), "open of /dev/null failed: Permission denied (os error 13)");
/// assert!(!failed.is_out_of_descriptors());
/// ```
#[derive(Debug)]
pub struct CallError {
    call: &'static str,
    path: Option<PathBuf>,
    cause: io::Error,
}

impl CallError {
    /// Creates an error of a call that is not about a file.
    pub fn new(call: &'static str, cause: impl Into<io::Error>) -> CallError {
        CallError { call, path: None, cause: cause.into() }
    }

    /// Creates an error of a call that is about the file at `path`.
    pub fn at(call: &'static str, path: impl AsRef<Path>, cause: impl Into<io::Error>) -> CallError {
        CallError { call, path: Some(path.as_ref().to_owned()), cause: cause.into() }
    }

    /// Returns the kind of the system's error.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.cause.kind()
    }

    /// Returns true if this process or the system is out of file descriptors.
    #[must_use]
    pub fn is_out_of_descriptors(&self) -> bool {
        is_out_of_descriptors(&self.cause)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{} of {} failed: {}", self.call, path.display(), self.cause),
            None => write!(f, "{} failed: {}", self.call, self.cause),
        }
    }
}

impl Error for CallError {}

/// Returns the number of file descriptors to which this process and its children can raise their limit
/// (`ulimit -Hn`).
///
/// ```
/// assert!(sys::call::max_descriptors() > 3);
/// ```
#[must_use]
pub fn max_descriptors() -> u64 {
    // The call fails for unknown resources only.
    getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(_, hard)| hard)
}

/// Returns true if the error means that this process or the system is out of file descriptors.
#[must_use]
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    [Errno::EMFILE, Errno::ENFILE].iter().any(|&errno| error.raw_os_error() == Some(errno as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_errors_of_missing_descriptors() {
        for (errno, expected) in
            [(Errno::EMFILE, true), (Errno::ENFILE, true), (Errno::ENOSPC, false), (Errno::EPERM, false)]
        {
            assert_eq!(CallError::new("eventfd", errno).is_out_of_descriptors(), expected, "{errno}");
        }
    }
}
