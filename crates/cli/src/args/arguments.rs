//! The complete command line.

use std::path::PathBuf;

use clap::Parser;

use super::{Command, Format, RunOptions};

/// Run jobs from JSON on worker processes and print exact results in input order.
#[derive(Debug, Parser)]
#[command(
    name = "runner",
    version,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 all jobs succeeded, 1 some jobs did not, 2 invalid command line, \
                  3 input or output failed, 4 workers or cluster unavailable, 5 journal unusable. \
                  After a signal, runner ends by the same signal."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Files of jobs, as a JSON array or JSON Lines; standard input if none is given or for `-`
    #[arg(value_name = "JOBS")]
    pub(crate) jobs: Vec<PathBuf>,

    /// Input format; `auto` detects it from the first byte
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,

    /// Define an op whose jobs run on a program that each worker keeps running. Without COMMAND, the nodes of
    /// a cluster define it. Can be repeated
    #[arg(long, value_name = "NAME[=COMMAND]")]
    pub(crate) define: Vec<String>,

    #[command(flatten)]
    pub(crate) run: RunOptions,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{StatsFormat, command};

    #[test]
    fn clap_definition_is_valid() {
        command().debug_assert();
    }

    #[test]
    fn stats_without_format_is_text() {
        let parse = |arguments: &[&str]| Arguments::try_parse_from(arguments).unwrap();
        assert_eq!(parse(&["runner", "--stats", "jobs.json"]).run.stats, Some(StatsFormat::Text));
        assert_eq!(parse(&["runner", "--stats=json"]).run.stats, Some(StatsFormat::Json));
    }
}
