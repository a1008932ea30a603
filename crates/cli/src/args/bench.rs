//! Arguments of `runner bench`.

use std::{path::PathBuf, time::Duration};

use bench::report::Sweep;
use clap::{Args, ValueEnum, value_parser};

use super::{When, file_parser};
use crate::units;

/// Arguments of `runner bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// Measure fewer points with shorter runs
    #[arg(long)]
    pub(crate) quick: bool,

    /// Number of worker processes in sweeps that do not vary it [default: number of available cores]
    #[arg(
        short, long, value_name = "N", env = "RUNNER_WORKERS",
        value_parser = value_parser!(u16).range(1..=1024)
    )]
    pub(crate) workers: Option<u16>,

    /// Number of rounds; every executor runs once in each [default: 5]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..))]
    pub(crate) rounds: Option<u16>,

    /// Approximate length of each run in seconds [default: 0.2; with --quick 0.06]
    #[arg(long, value_name = "SECS", value_parser = units::positive_seconds)]
    pub(crate) run_time: Option<Duration>,

    /// Sweeps to run: `grain`, `workers`, `batch`, `codec` or `transport`, separated by commas [default: all]
    #[arg(long, value_name = "SWEEP,...", value_enum, value_delimiter = ',', hide_possible_values = true)]
    pub(crate) only: Vec<SweepName>,

    /// Write the report as JSON; `-` replaces the table on standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Write the rows as comma-separated values; `-` replaces the table on standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,

    /// Write an HTML page with pictures and explanations; `-` replaces the table on standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,

    /// Write the pictures as SVG files into a folder, which is created if it does not exist
    #[arg(long, value_name = "DIR", value_parser = file_parser())]
    pub(crate) svg: Option<PathBuf>,

    /// Show a progress bar on standard error; `auto` shows one on a terminal
    #[arg(long, value_enum, default_value_t, env = "RUNNER_PROGRESS")]
    pub(crate) progress: When,

    /// Print only the results and errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Names of sweeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SweepName {
    /// Work in a job
    Grain,
    /// Number of workers
    Workers,
    /// Number of jobs in a batch
    Batch,
    /// Payload of a job, with each codec
    Codec,
    /// Work in a job, with each transport
    Transport,
}

impl From<SweepName> for Sweep {
    fn from(name: SweepName) -> Sweep {
        match name {
            SweepName::Grain => Sweep::Grain,
            SweepName::Workers => Sweep::Workers,
            SweepName::Batch => Sweep::Batch,
            SweepName::Codec => Sweep::Codec,
            SweepName::Transport => Sweep::Transport,
        }
    }
}
