//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Measures two nodes on NATS JetStream beside a local pool, Ray and Dask, in turns
#[derive(Debug, Parser)]
#[command(name = "scripts/bench-cluster")]
pub(crate) struct Args {
    /// Number of rounds; each contender runs once per round
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) rounds: u16,

    /// Use a hundredth of the jobs, to check that everything can be measured
    #[arg(long)]
    pub(crate) quick: bool,

    /// Interpreter of the Python peers; set by the script
    #[arg(long, value_name = "PATH", hide = true)]
    pub(crate) python: Option<PathBuf>,

    /// Reason why there is no interpreter; set by the script
    #[arg(long, value_name = "REASON", hide = true, default_value = "no interpreter was named")]
    pub(crate) no_python: String,
}
