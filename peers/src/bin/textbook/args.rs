//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Reproduces the tables of the original text with this library and with Python
#[derive(Debug, Parser)]
#[command(name = "scripts/bench-textbook")]
pub(crate) struct Args {
    /// Number of rounds; the table shows medians
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) rounds: u16,

    /// Use smaller numbers and shorter waits, to check that everything runs
    #[arg(long)]
    pub(crate) quick: bool,

    /// Write the report as JSON to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Python interpreter; set by the script
    #[arg(long, value_name = "PATH", hide = true)]
    pub(crate) python: Option<PathBuf>,

    /// Reason why there is no interpreter; set by the script
    #[arg(long, value_name = "REASON", hide = true, default_value = "no interpreter was named")]
    pub(crate) no_python: String,
}
