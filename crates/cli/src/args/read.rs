//! Reads the command line, and prints what clap has to report.

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal},
    path::Path,
};

use clap::{ArgMatches, CommandFactory, FromArgMatches, parser::ValueSource};
use console::{ExitStatus, screen};

use super::{Arguments, Command, variables};
use crate::stdout::print_stdout;

/// Options that apply to a local pool only. With `--cluster` the nodes choose these settings, and the cluster
/// keeps the results without a journal.
const LOCAL_OPTIONS: [&str; 29] = [
    "workers",
    "executor",
    "batch",
    "codec",
    "transport",
    "max_output",
    "max_result",
    "allow_command",
    "kill_after",
    "retries",
    "timeout_retries",
    "max_memory",
    "max_rss",
    "recycle_rss",
    "max_jobs_per_worker",
    "pin",
    "nice",
    "max_load",
    "min_free_memory",
    "start_delay",
    "sandbox",
    "sandbox_read",
    "sandbox_write",
    "sandbox_net",
    "journal",
    "fsync",
    "trace",
    "worker_bin",
    "retry_failed",
];

/// Parses the command line. Not called if the first word is `factor` or `gcd`, which parse their own
/// arguments.
///
/// # Errors
/// When the command line is invalid, and for `--help` and `--version`, whose text clap returns as an error.
pub(crate) fn read() -> Result<Arguments, clap::Error> {
    let words: Vec<OsString> = env::args_os().collect();
    let matches = variables::matches(&command(), &words)?;
    let mut arguments = Arguments::from_arg_matches(&matches)?;
    arguments.run.cluster.set_local_option(local_option(&matches));
    if let (Some(Command::Each(each)), Some((_, matches))) = (&mut arguments.command, matches.subcommand()) {
        each.run.cluster.set_local_option(local_option(matches));
    }
    Ok(arguments)
}

/// Returns the first option on the command line that applies to a local pool only.
fn local_option(matches: &ArgMatches) -> Option<String> {
    let is_given = |option: &&&str| matches.value_source(option) == Some(ValueSource::CommandLine);
    LOCAL_OPTIONS.iter().find(is_given).map(|option| format!("--{}", option.replace('_', "-")))
}

impl Arguments {
    /// Returns the arguments of a run without options, ignoring environment variables.
    pub(crate) fn defaults() -> Arguments {
        let matches = variables::ignore_variables(Arguments::command()).get_matches_from(["runner"]);
        Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// Prints an error to standard error, or the text of `--help` or `--version` to standard output.
pub(crate) fn print(error: &clap::Error) -> ExitStatus {
    if error.use_stderr() {
        let _ = screen::print_error(styled(error, &io::stderr()).as_bytes());
        return ExitStatus::Usage;
    }
    print_stdout(styled(error, &io::stdout()).as_bytes())
}

/// Renders an error, with colors if `stream` is a terminal that supports them and `NO_COLOR` is not set.
fn styled(error: &clap::Error, stream: &impl IsTerminal) -> String {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
    match stream.is_terminal() && !is_dumb && !is_set("NO_COLOR") {
        true => error.render().ansi().to_string(),
        false => error.render().to_string(),
    }
}

/// Returns the name of the subcommand that `name` matches, if any.
pub(crate) fn command_named(name: &Path) -> Option<String> {
    // Building the list of subcommands is slow, and most file names contain characters that no subcommand
    // has.
    let name = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase()))?;
    command().find_subcommand(name).map(|command| command.get_name().to_owned())
}

/// Returns the complete clap command, for help, completions and the manual page.
pub(crate) fn command() -> clap::Command {
    Arguments::command().subcommands(coreutils::commands())
}
