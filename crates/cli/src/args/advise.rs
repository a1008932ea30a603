//! Arguments of `runner advise`.

use std::path::PathBuf;

use clap::{Args, value_parser};

use super::Format;

/// Arguments of `runner advise`.
#[derive(Debug, Args)]
pub(crate) struct AdviseArguments {
    /// Job files; `-` or none reads standard input. A sample of the jobs is run
    #[arg(value_name = "JOBS")]
    pub(crate) jobs: Vec<PathBuf>,

    /// Largest number of workers for jobs that compute [default: number of available cores]
    #[arg(
        short, long, value_name = "N", env = "RUNNER_WORKERS",
        value_parser = value_parser!(u16).range(1..=1024)
    )]
    pub(crate) workers: Option<u16>,

    /// Format of the jobs; `auto` detects it from the first byte
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,

    /// Operation of jobs that do not name one; bare values are its operands
    #[arg(long, value_name = "NAME")]
    pub(crate) op: Option<String>,

    /// Allow `command` jobs to run programs
    #[arg(long)]
    pub(crate) allow_command: bool,
}
