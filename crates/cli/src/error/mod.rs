//! Errors that end a run, as opposed to failures of single jobs. Their messages are defined here only.

#[cfg(feature = "cluster")]
mod cluster;
mod define;

use std::{io, path::PathBuf};

use console::{ExitStatus, screen};
use pool::error::BuildError;

#[cfg(feature = "cluster")]
pub(crate) use cluster::ClusterUsageError;
pub(crate) use define::DefineError;

/// An invalid command line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    #[error("{0} requires worker processes; set --executor (or RUNNER_EXECUTOR) to `processes`")]
    NeedsProcesses(&'static str),
    #[error("{0} needs a sandbox: set --sandbox to `best-effort` or `strict`")]
    NoSandbox(&'static str),
    #[error("{0} and {1} cannot both be written to standard output; write one of them to a file")]
    OneStandardOutput(&'static str, &'static str),
    #[error(
        "options must follow the subcommand: runner {0} [OPTIONS] ...; to read a file named {0}, pass ./{0}"
    )]
    OptionsBeforeCommand(String),
    #[error(transparent)]
    Define(#[from] DefineError),
    #[cfg(not(feature = "cluster"))]
    #[error("this runner was built without the feature `cluster`; to read a file of that name, pass ./NAME")]
    NoCluster,
    #[cfg(feature = "cluster")]
    #[error(transparent)]
    Cluster(#[from] ClusterUsageError),
}

/// An error that ends the run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("cannot open {name}: {error}")]
    OpenInput { name: String, error: io::Error },
    #[error("{name} is a directory")]
    InputIsDirectory { name: String },
    #[error("cannot read {name}: {error}")]
    ReadInput { name: String, error: io::Error },
    #[error("{name}, line {line}, column {column}: {message}; the jobs before it were run")]
    Syntax { name: String, line: u64, column: u64, message: String },
    #[error("{name} is not a JSON array; to read it as JSON Lines, omit --format")]
    NotAnArray { name: String },
    #[error("{name} is UTF-16, but input must be UTF-8; convert it with `iconv -f UTF-16 -t UTF-8`")]
    Utf16 { name: String },
    #[error("cannot open {path:?} for the {content}: {error}")]
    OpenOutput { path: PathBuf, content: &'static str, error: io::Error },
    #[error("{first} and {second} are the same file; choose another file for the {content}")]
    SameFile { first: String, second: String, content: &'static str },
    #[error("cannot write the results: {0}")]
    WriteOutput(io::Error),
    #[error("cannot write the statistics: {0}")]
    WriteStats(io::Error),
    #[error("cannot write the timeline: {0}")]
    WriteTrace(io::Error),
    #[error("cannot write the metrics: {0}")]
    WriteMetrics(io::Error),
    #[error("cannot read the load or the memory of the machine: {0}")]
    ReadMachine(io::Error),
    #[error("the journal {} is not empty; to continue it, pass --resume", path.display())]
    JournalNotEmpty { path: PathBuf },
    #[error("cannot use the journal {}: {error}", path.display())]
    Journal { path: PathBuf, error: journal::Error },
    #[error(
        "job {position} differs from the job recorded in the journal {}; nothing was run",
        path.display()
    )]
    JobMismatch { path: PathBuf, position: u64 },
    #[error(
        "the journal {} has records up to job {last}, but the input has only {read} jobs; nothing was run",
        path.display()
    )]
    TooFewJobs { path: PathBuf, last: u64, read: u64 },
    #[error("cannot store jobs while the input is compared with the journal: {0}")]
    Spool(io::Error),
    #[error("{0}")]
    Pool(#[from] BuildError),
    #[error(transparent)]
    Sandbox(#[from] sandbox::ApplyError),
    #[error("cannot run `{program}`: {error}")]
    Program { program: String, error: io::Error },
    #[error("{0}")]
    ProgramFailed(String),
    #[error("the pool failed: {0}")]
    PoolFailed(String),
    #[error("{0}")]
    Cluster(String),
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

impl RunError {
    /// Returns the exit status of a run that ends with this error.
    pub(crate) fn exit_status(&self) -> ExitStatus {
        match self {
            RunError::SameFile { .. } => ExitStatus::Usage,
            RunError::Journal { .. }
            | RunError::JournalNotEmpty { .. }
            | RunError::JobMismatch { .. }
            | RunError::TooFewJobs { .. }
            | RunError::Spool(_) => ExitStatus::Journal,
            RunError::Program { .. }
            | RunError::Sandbox(_)
            | RunError::ProgramFailed(_)
            | RunError::Pool(_)
            | RunError::PoolFailed(_)
            | RunError::Cluster(_)
            | RunError::Thread(_) => ExitStatus::Pool,
            _ => ExitStatus::InputOutput,
        }
    }
}

/// Prints an error to standard error.
pub(crate) fn print(error: &dyn std::error::Error) {
    warn(&error.to_string());
}

/// Prints a line to standard error. Ignores write errors: a closed standard error must not stop a run.
pub(crate) fn warn(line: &str) {
    let _ = screen::print_error(format!("runner: {line}\n").as_bytes());
}
