//! What ends a run from outside of its jobs, worded here and nowhere else.

use std::{io, path::PathBuf};

use pool::BuildError;

/// A command line that cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Misuse {
    #[error("{0} needs worker processes; leave --executor at `processes`")]
    NeedsProcesses(&'static str),
}

/// A failure that ends the run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("cannot open {name}: {error}")]
    OpenInput { name: String, error: io::Error },
    #[error("{name} is a directory")]
    InputIsDirectory { name: String },
    #[error("reading {name} failed: {error}")]
    ReadInput { name: String, error: io::Error },
    #[error("{name}, line {line}, column {column}: {message}; what came before it has been run")]
    Syntax { name: String, line: u64, column: u64, message: String },
    #[error("{name} is not a JSON array; without --format it is read as JSON Lines")]
    NotAnArray { name: String },
    #[error("cannot open {path:?} for the results: {error}")]
    OpenOutput { path: PathBuf, error: io::Error },
    #[error("{} is also read from; choose another file for the results", path.display())]
    OutputIsInput { path: PathBuf },
    #[error("writing the results failed: {0}")]
    WriteOutput(io::Error),
    #[error("writing the statistics failed: {0}")]
    WriteStats(io::Error),
    #[error("{0}")]
    Pool(#[from] BuildError),
    #[error("the pool broke: {0}")]
    Broken(String),
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// Prints an error to standard error.
pub(crate) fn print(error: &dyn std::error::Error) {
    warn(&error.to_string());
}

/// Prints a line to standard error; that it is closed is no reason to stop.
pub(crate) fn warn(line: &str) {
    use std::io::Write;
    let _ = writeln!(io::stderr(), "runner: {line}");
}
