//! What ends a run from outside of its jobs, record_bodies here and nowhere else.

use std::{io, path::PathBuf};

use pool::BuildError;

use crate::{each::DefineError, screen};

/// A command line that cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    #[error("{0} needs worker processes; leave --executor (or RUNNER_EXECUTOR) at `processes`")]
    NeedsProcesses(&'static str),
    #[error("{0} and {1} cannot both go to standard output; give one of them a file")]
    OneStandardOutput(&'static str, &'static str),
    #[error("options go behind the command: runner {0} [OPTIONS] ...; a file of that name is given as ./{0}")]
    OptionsBeforeCommand(String),
    #[error(transparent)]
    Define(#[from] DefineError),
    #[cfg(not(feature = "cluster"))]
    #[error("this runner was built without the feature `cluster`; a file of that name is given as ./NAME")]
    NoCluster,
    #[cfg(feature = "cluster")]
    #[error(transparent)]
    Cluster(#[from] crate::cluster::ClusterMisuse),
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
    #[error("{name} is UTF-16, and jobs are written in UTF-8; convert it by `iconv -f UTF-16 -t UTF-8`")]
    Utf16 { name: String },
    #[error("cannot open {path:?} for the {content}: {error}")]
    OpenOutput { path: PathBuf, content: &'static str, error: io::Error },
    #[error("{first} and {second} are the same file; choose another file for the {content}")]
    SameFile { first: String, second: String, content: &'static str },
    #[error("writing the results failed: {0}")]
    WriteOutput(io::Error),
    #[error("writing the statistics failed: {0}")]
    WriteStats(io::Error),
    #[error("writing the timeline failed: {0}")]
    WriteTrace(io::Error),
    #[error("the journal {} is not empty; --resume goes on where it ends", path.display())]
    JournalNotEmpty { path: PathBuf },
    #[error("the journal {} cannot be used: {error}", path.display())]
    Journal { path: PathBuf, error: journal::Error },
    #[error("job {position} is not the one whose outcome the journal {} holds; nothing has been run", path.display())]
    OtherJob { path: PathBuf, position: u64 },
    #[error(
        "the journal {} goes on to job {last}, and the input ended after {read} jobs; nothing has been run",
        path.display()
    )]
    TooFewJobs { path: PathBuf, last: u64, read: u64 },
    #[error("jobs that have to wait for others to be compared with the journal cannot be stored: {0}")]
    Spool(io::Error),
    #[error("{0}")]
    Pool(#[from] BuildError),
    #[error("cannot run `{program}`: {error}")]
    Program { program: String, error: io::Error },
    #[error("{0}")]
    ProgramFailed(String),
    #[error("the pool broke: {0}")]
    Broken(String),
    #[error("{0}")]
    Cluster(String),
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// Prints an error to standard error.
pub(crate) fn print(error: &dyn std::error::Error) {
    warn(&error.to_string());
}

/// Prints a line to standard error; that it is closed is no reason to stop.
pub(crate) fn warn(line: &str) {
    let _ = screen::print_error(format!("runner: {line}\n").as_bytes());
}
