//! The command line of `runner advise`.

use std::path::PathBuf;

use clap::{Args, value_parser};

use crate::{
    args::{Arguments, ExecutorKind, Format, RunOptions},
    cluster::RunArguments,
};

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

impl From<AdviseArguments> for Arguments {
    fn from(advise: AdviseArguments) -> Arguments {
        let AdviseArguments { jobs, workers, format, op, allow_command } = advise;
        let usual = Arguments::defaults();
        // The sample runs on a worker process, so a crash does not end this one.
        let cluster = RunArguments::default();
        let executor = ExecutorKind::Processes;
        let run = RunOptions { workers, op, allow_command, executor, cluster, ..usual.run };
        Arguments { jobs, format, run, ..usual }
    }
}
