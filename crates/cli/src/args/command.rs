//! Subcommands.

use clap::Subcommand;

use super::{AdviseArguments, BenchArguments, ClusterCommand, EachArguments};

/// Subcommands; without one, `runner` runs jobs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a long-lived program on each line: one line in, one line out, in order
    Each(Box<EachArguments>),
    /// Measure the overhead of worker processes on this machine and the job size from which they pay off
    Bench(BenchArguments),
    /// Run a sample of the jobs and recommend an executor and a number of workers
    Advise(AdviseArguments),
    #[command(flatten)]
    Cluster(ClusterCommand),
    #[command(flatten)]
    Packaging(Packaging),
}

/// Subcommands for packagers.
#[derive(Debug, Subcommand)]
pub(crate) enum Packaging {
    /// Print a completion script for a shell
    Completions {
        /// Shell to generate the script for
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}
