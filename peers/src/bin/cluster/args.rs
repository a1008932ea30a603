//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Measures two nodes on NATS JetStream beside a local pool, Ray and Dask, in turns
#[derive(Debug, Parser)]
#[command(name = "scripts/bench-cluster")]
pub(crate) struct Args {
    /// Rounds in each of which everybody runs once
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) rounds: u16,

    /// A hundredth of the jobs: whether everything can be measured, not how fast it is
    #[arg(long)]
    pub(crate) quick: bool,

    /// The interpreter of the Python peers; the script fills it in
    #[arg(long, value_name = "PATH", hide = true)]
    pub(crate) python: Option<PathBuf>,

    /// Why there is none
    #[arg(long, value_name = "REASON", hide = true, default_value = "no interpreter was named")]
    pub(crate) no_python: String,
}
