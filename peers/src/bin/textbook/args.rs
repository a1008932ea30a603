//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Reproduces the tables of the text that this project grew from, by this library and by Python
#[derive(Debug, Parser)]
#[command(name = "scripts/bench-textbook")]
pub(crate) struct Args {
    /// Rounds in each of which everything is run once; the table shows medians
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) rounds: u16,

    /// Smaller numbers and shorter waits: whether everything runs, not how long it takes
    #[arg(long)]
    pub(crate) quick: bool,

    /// Where to write everything as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// The Python interpreter; the script fills it in
    #[arg(long, value_name = "PATH", hide = true)]
    pub(crate) python: Option<PathBuf>,

    /// Why there is none
    #[arg(long, value_name = "REASON", hide = true, default_value = "no interpreter was named")]
    pub(crate) no_python: String,
}
