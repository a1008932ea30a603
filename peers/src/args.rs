//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Measures the pool and its peers on the same work in the same run
#[derive(Debug, Parser)]
#[command(name = "scripts/bench-peers")]
pub(crate) struct Args {
    /// Rounds in each of which everybody runs once [default: 5, fewer for what takes long]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) rounds: Option<u16>,

    /// Only these rows
    #[arg(long, value_name = "NUMBER,...", value_delimiter = ',', value_parser = crate::rows::NUMBERS)]
    pub(crate) only: Vec<String>,

    /// Small counts and one round: whether everything can be measured, not how fast it is
    #[arg(long)]
    pub(crate) quick: bool,

    /// Where to write everything as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// The interpreter of the Python peers; the script fills it in
    #[arg(long, value_name = "PATH", hide = true)]
    pub(crate) python: Option<PathBuf>,

    /// Why there is none
    #[arg(long, value_name = "REASON", hide = true, default_value = "no interpreter was named")]
    pub(crate) no_python: String,
}
