//! The command line, as clap reads it.

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal},
    num::NonZeroU64,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{
    ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
    builder::{PathBufValueParser, PossibleValuesParser, TypedValueParser},
    parser::ValueSource,
    value_parser,
};
use pool::CodecKind;

use crate::{
    advise::AdviseArguments,
    cluster,
    each::{EachArguments, ProgramOptions},
    exit::ExitStatus,
    measure::BenchArguments,
    output::print_stdout,
    screen, text, units, variables,
};

/// Run jobs from JSON on worker processes and print exact results in order.
#[derive(Debug, Parser)]
#[command(
    name = "runner",
    version,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 every job succeeded, 1 some did not, 2 wrong command line, 3 input or output failed, \
                  4 no workers or no cluster, 5 the journal cannot be used. A signal ends runner by the same signal."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Files of jobs, a JSON array or JSON Lines; `-` or none reads standard input
    #[arg(value_name = "JOBS")]
    pub(crate) jobs: Vec<PathBuf>,

    /// How the jobs are written; `auto` looks at the first byte
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,

    /// Run the jobs of a user-defined op on a program that each worker keeps running; without a command the nodes of a
    /// cluster define the op. May be given several times
    #[arg(long, value_name = "NAME[=COMMAND]")]
    pub(crate) define: Vec<String>,

    #[command(flatten)]
    pub(crate) run: RunOptions,
}

/// Options of everything that runs jobs.
#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    /// How many workers; default: as many as this process may use cores
    #[arg(short, long, value_name = "N", env = "RUNNER_WORKERS", value_parser = value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,

    /// Number of threads that parse lines beside the one that reads them; default: by the number of cores
    // For measurements and tests. The default is the best choice for all inputs.
    #[arg(long, value_name = "N", hide = true)]
    pub(crate) parsers: Option<u8>,

    /// What runs the jobs
    #[arg(long, value_enum, default_value_t, env = "RUNNER_EXECUTOR")]
    pub(crate) executor: ExecutorKind,

    /// Jobs in a batch: `auto`, or a number
    #[arg(long, value_name = "auto|N", default_value = "auto", value_parser = parse_batch)]
    pub(crate) batch: pool::BatchSize,

    /// How jobs and outcomes travel between the processes; default: bincode
    #[arg(long, value_name = "NAME", value_parser = codec_parser())]
    pub(crate) codec: Option<CodecKind>,

    /// How jobs and outcomes travel: `rings` in shared memory, or a `channel` through a socket
    #[arg(long, value_enum, env = "RUNNER_TRANSPORT")]
    pub(crate) transport: Option<TransportKind>,

    /// The op of jobs that do not name one; bare values are its operands, or the `args` of a user-defined op
    #[arg(long, value_name = "NAME")]
    pub(crate) op: Option<String>,

    #[command(flatten)]
    pub(crate) program: ProgramOptions,

    /// The most digits of an integer
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) max_digits: usize,

    /// The most bytes of a job's text
    #[arg(long, value_name = "SIZE", default_value = "16M")]
    pub(crate) max_job_size: units::Size,

    /// The most bytes kept of each output stream of a `command` job
    #[arg(long, value_name = "SIZE", default_value = "1M")]
    pub(crate) max_output: units::Size,

    /// Longest result of a job, as text; a job with a longer one fails
    #[arg(long, value_name = "SIZE", default_value = "64M")]
    pub(crate) max_result: units::Size,

    /// Let `command` jobs run programs
    #[arg(long)]
    pub(crate) allow_command: bool,

    /// Print results as they come instead of in the order of the input
    #[arg(long)]
    pub(crate) unordered: bool,

    /// Write the results to a file instead of standard output, which `-` means
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// End a job that runs longer
    #[arg(long, value_name = "SECS", value_parser = units::positive_seconds)]
    pub(crate) timeout: Option<Duration>,

    /// How long a job may take to end after SIGTERM, before SIGKILL
    #[arg(long, value_name = "SECS", default_value = "1", value_parser = units::seconds)]
    pub(crate) kill_after: Duration,

    /// End the run after this time as the first Ctrl-C would, with exit code 1
    #[arg(long, value_name = "SECS", value_parser = units::positive_seconds)]
    pub(crate) time_limit: Option<Duration>,

    #[command(flatten)]
    pub(crate) supervision: SupervisionArguments,

    #[command(flatten)]
    pub(crate) journal: JournalArguments,

    /// Start no more jobs after so many have not succeeded; running ones may finish
    #[arg(long, value_name = "N")]
    pub(crate) max_failures: Option<NonZeroU64>,

    /// The same as `--max-failures 1`
    #[arg(long, conflicts_with = "max_failures")]
    pub(crate) fail_fast: bool,

    /// Start no more jobs after the first that is not valid
    #[arg(long)]
    pub(crate) strict: bool,

    /// Show a progress bar on standard error; `auto` does if that is a terminal
    #[arg(long, value_enum, default_value_t, env = "RUNNER_PROGRESS")]
    pub(crate) progress: When,

    /// Print counts and times of each worker to standard error
    #[arg(long, value_enum, value_name = "FORMAT", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    pub(crate) stats: Option<StatsFormat>,

    /// Write them to a file instead; `-` is standard output
    #[arg(long, value_name = "FILE", requires = "stats")]
    pub(crate) stats_file: Option<PathBuf>,

    /// Write a timeline of the workers to a file, for Perfetto and other viewers of trace events
    #[arg(long, value_name = "FILE", value_parser = file_parser())]
    pub(crate) trace: Option<PathBuf>,

    /// Print nothing but results and errors that end the run
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Name every invalid job on standard error, not only the first ten
    #[arg(short, long)]
    pub(crate) verbose: bool,

    /// Check and count the jobs, print the plan, run nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// The program to start as a worker; default: this one
    #[arg(long, value_name = "PATH")]
    pub(crate) worker_bin: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) cluster: cluster::RunArguments,
}

/// What only a local pool understands: of a cluster's jobs its nodes decide, and its results are kept without a journal.
const LOCAL: [&str; 22] = [
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
    "journal",
    "fsync",
    "trace",
    "worker_bin",
    "retry_failed",
];

/// Reads the command line, unless its first word is `factor` or `gcd`: those read theirs on their own.
///
/// # Errors
/// As clap words them; asking for help or the version is one of them.
pub(crate) fn read() -> Result<Arguments, clap::Error> {
    let words: Vec<OsString> = env::args_os().collect();
    let matches = variables::matches(&command(), &words)?;
    let mut arguments = Arguments::from_arg_matches(&matches)?;
    arguments.run.cluster.note_local(local_option(&matches));
    if let (Some(Command::Each(each)), Some((_, matches))) = (&mut arguments.command, matches.subcommand()) {
        each.run.cluster.note_local(local_option(matches));
    }
    Ok(arguments)
}

/// The first option on the command line that only a local pool understands.
fn local_option(matches: &ArgMatches) -> Option<String> {
    let is_given = |option: &&&str| matches.value_source(option) == Some(ValueSource::CommandLine);
    LOCAL.iter().find(is_given).map(|option| format!("--{}", option.replace('_', "-")))
}

impl Arguments {
    /// Those of a run with no option and no variable set.
    pub(crate) fn defaults() -> Arguments {
        let matches = variables::ignore_variables(Arguments::command()).get_matches_from(["runner"]);
        Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// Prints what clap has to say. It words its errors itself, and help and version are no errors.
pub(crate) fn print(error: &clap::Error) -> ExitStatus {
    if error.use_stderr() {
        let _ = screen::print_error(styled(error, &io::stderr()).as_bytes());
        return ExitStatus::Usage;
    }
    print_stdout(styled(error, &io::stdout()).as_bytes())
}

/// With colours where a terminal shows them.
fn styled(error: &clap::Error, stream: &impl IsTerminal) -> String {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
    match stream.is_terminal() && !is_dumb && !is_set("NO_COLOR") {
        true => error.render().ansi().to_string(),
        false => error.render().to_string(),
    }
}

/// The command of this name, if there is one.
pub(crate) fn command_named(name: &Path) -> Option<String> {
    // Most names of files have other characters than those of commands, whose list takes time to make.
    let name = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase()))?;
    command().find_subcommand(name).map(|command| command.get_name().to_owned())
}

/// All that help, completions and the manual are to know.
pub(crate) fn command() -> clap::Command {
    Arguments::command().subcommands(text::commands())
}

/// What workers may have, and what follows when one dies: of a local run, and of a node.
#[derive(Debug, Args)]
pub(crate) struct SupervisionArguments {
    /// How often to try a job again after its worker died
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) retries: u32,

    /// How often to try a job again after it ran too long
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) timeout_retries: u32,

    /// Memory that each worker may have, as address space, such as 512M; a job that needs more fails
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_memory: Option<units::Size>,

    /// Resident memory of a worker and what its jobs start, such as 2G; a job that takes more is ended
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_rss: Option<units::Size>,

    /// Replace a worker between two jobs when it and what its jobs have started have more resident memory than this
    #[arg(long, value_name = "SIZE")]
    pub(crate) recycle_rss: Option<units::Size>,

    /// Replace a worker after this many jobs
    #[arg(long, value_name = "N")]
    pub(crate) max_jobs_per_worker: Option<NonZeroU64>,

    /// Keep each worker, and what its jobs start, on one core
    #[arg(long)]
    pub(crate) pin: bool,

    /// Add 0 to 19 to the niceness of the workers, so that other programs come first
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = value_parser!(i32).range(0..=19))]
    pub(crate) nice: Option<i32>,
}

/// Keeping outcomes, and going on from there.
#[derive(Debug, Args)]
pub(crate) struct JournalArguments {
    /// Record outcomes in a file, from which an interrupted run can be resumed
    #[arg(long, value_name = "FILE", value_parser = file_parser())]
    pub(crate) journal: Option<PathBuf>,

    /// Print what the journal holds instead of running it again, and go on
    #[arg(long, requires = "journal")]
    pub(crate) resume: bool,

    /// When resuming, run again what did not succeed
    #[arg(long, requires = "resume")]
    pub(crate) retry_failed: bool,

    /// When to make sure that outcomes are on the disk before they are printed; default: batch
    #[arg(long, value_enum, requires = "journal")]
    pub(crate) fsync: Option<Fsync>,
}

/// What `runner` can do beside running jobs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a program on each line, kept running by each worker: a line in, a line out, in order
    Each(Box<EachArguments>),
    /// Measure what worker processes cost on this machine, and from which size of jobs on they are worth it
    Bench(BenchArguments),
    /// Run some of the jobs and say in a sentence what to run all of them on
    Advise(AdviseArguments),
    #[command(flatten)]
    Cluster(cluster::ClusterCommand),
    #[command(flatten)]
    Packaging(Packaging),
}

/// What packagers need.
#[derive(Debug, Subcommand)]
pub(crate) enum Packaging {
    /// Print a completion script for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExecutorKind {
    /// Worker processes: a job that crashes takes nothing with it
    #[default]
    Processes,
    /// Threads of this process: cheaper, and a crash ends the run
    Threads,
    /// One job after the other
    Serial,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// An array if the first byte is `[`, lines otherwise
    #[default]
    Auto,
    /// One JSON array
    Array,
    /// JSON Lines
    Lines,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    #[default]
    Auto,
    Always,
    Never,
}

impl When {
    /// Whether a progress bar is wanted of a run that is quiet or not.
    pub(crate) fn is_wanted(self, quiet: bool) -> bool {
        match self {
            When::Always => true,
            When::Never => false,
            When::Auto => !quiet && io::stderr().is_terminal(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fsync {
    /// Leave it to the system: a crash of the machine may cost recorded outcomes
    Never,
    /// Once for all outcomes that came meanwhile
    #[default]
    Batch,
    /// For each outcome on its own
    Always,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatsFormat {
    Text,
    Json,
}

/// How jobs and outcomes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TransportKind {
    Rings,
    Channel,
}

impl From<TransportKind> for pool::Transport {
    fn from(kind: TransportKind) -> pool::Transport {
        match kind {
            TransportKind::Rings => pool::Transport::Rings,
            TransportKind::Channel => pool::Transport::Channel,
        }
    }
}

/// The codecs by their names, so that completions know them too.
fn codec_parser() -> impl TypedValueParser<Value = CodecKind> {
    let names = CodecKind::ALL.iter().map(|codec| codec.name());
    PossibleValuesParser::new(names).try_map(|name| name.parse())
}

/// The name of a file that cannot be standard output.
pub(crate) fn file_parser() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.as_os_str() == "-" {
        true => Err("expected a file; one that is called - is given as ./-"),
        false => Ok(path),
    })
}

fn parse_batch(text: &str) -> Result<pool::BatchSize, String> {
    match text {
        "auto" => Ok(pool::BatchSize::Auto),
        number => number
            .parse()
            .map(pool::BatchSize::Fixed)
            .map_err(|_| "expected `auto` or a number above 0".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds_together() {
        command().debug_assert();
    }

    #[test]
    fn stats_alone_means_text() {
        let parse = |arguments: &[&str]| Arguments::try_parse_from(arguments).unwrap();
        assert_eq!(parse(&["runner", "--stats", "jobs.json"]).run.stats, Some(StatsFormat::Text));
        assert_eq!(parse(&["runner", "--stats=json"]).run.stats, Some(StatsFormat::Json));
    }
}
