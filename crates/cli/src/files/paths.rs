//! Files and standard streams that arguments name.

use std::path::PathBuf;

/// Source of jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Standard,
    File(PathBuf),
}

/// Destination of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Standard,
    File(PathBuf),
}

impl Destination {
    /// Destination that an option names; `-` is standard output.
    pub(crate) fn new(path: PathBuf) -> Destination {
        if path.as_os_str() == "-" { Destination::Standard } else { Destination::File(path) }
    }
}

impl Input {
    /// Input that an argument names; `-` is standard input.
    pub(crate) fn new(path: PathBuf) -> Input {
        if path.as_os_str() == "-" { Input::Standard } else { Input::File(path) }
    }

    /// Name in messages and records.
    pub(crate) fn name(&self) -> String {
        match self {
            Input::Standard => "-".to_owned(),
            Input::File(path) => path.display().to_string(),
        }
    }
}
