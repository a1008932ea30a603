//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Measures the pool and its peers on the same work in the same run
#[derive(Debug, Parser)]
#[command(name = "scripts/bench-peers")]
pub(crate) struct Args {
    /// Number of rounds; each contender runs once per round [default: 5, fewer for long rows]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) rounds: Option<u16>,

    /// Measure only these rows
    #[arg(long, value_name = "NUMBER,...", value_delimiter = ',', value_parser = crate::rows::NUMBERS)]
    pub(crate) only: Vec<String>,

    /// Use small counts and one round, to check that everything can be measured
    #[arg(long)]
    pub(crate) quick: bool,

    /// Write the report as JSON to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Interpreter of the Python peers; set by the script
    #[arg(long, value_name = "PATH", hide = true)]
    pub(crate) python: Option<PathBuf>,

    /// Reason why there is no interpreter; set by the script
    #[arg(long, value_name = "REASON", hide = true, default_value = "no interpreter was named")]
    pub(crate) no_python: String,
}
