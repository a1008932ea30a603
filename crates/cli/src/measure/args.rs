//! The command line of `runner bench`.

use std::{path::PathBuf, time::Duration};

use bench::report::Sweep;
use clap::{Args, ValueEnum, value_parser};

use crate::{
    args::{When, file_parser},
    units,
};

#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// A quick look: fewer points, shorter runs
    #[arg(long)]
    pub(crate) quick: bool,

    /// How many workers where nothing else is varied; default: as many as this process may use cores
    #[arg(short, long, value_name = "N", env = "RUNNER_WORKERS", value_parser = value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,

    /// How often everybody runs; default: 5
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..))]
    pub(crate) rounds: Option<u16>,

    /// About how long each run takes; default: 0.2, or 0.06 for a quick look
    #[arg(long, value_name = "SECS", value_parser = units::positive_seconds)]
    pub(crate) run_time: Option<Duration>,

    /// Sweeps to run: `grain`, `workers`, `batch`, `codec` or `transport`, separated by commas [default: all]
    #[arg(long, value_name = "SWEEP,...", value_enum, value_delimiter = ',', hide_possible_values = true)]
    pub(crate) only: Vec<SweepName>,

    /// Write everything as JSON; `-` is standard output, in place of the table
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Write the rows as comma-separated values; `-` is standard output, in place of the table
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,

    /// Write one page that explains what was found, with pictures; `-` is standard output, in place of the table
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,

    /// Write the pictures as files into a folder, which is made if it is not there
    #[arg(long, value_name = "DIR", value_parser = file_parser())]
    pub(crate) svg: Option<PathBuf>,

    /// Show a progress bar on standard error; `auto` does if that is a terminal
    #[arg(long, value_enum, default_value_t, env = "RUNNER_PROGRESS")]
    pub(crate) progress: When,

    /// Print nothing but what was measured and errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SweepName {
    /// How much work is in a job
    Grain,
    /// How many workers there are
    Workers,
    /// How many jobs travel together
    Batch,
    /// How much a job carries, by each codec
    Codec,
    /// How much work is in a job, by each transport
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
