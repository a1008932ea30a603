//! Options of every command that runs jobs.

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use clap::{Args, value_parser};
use pool::settings::CodecKind;

use super::{
    AdmissionArguments, ClusterOptions, ExecutorKind, JournalArguments, ProgramOptions, SandboxArguments,
    StatsFormat, SupervisionArguments, TransportKind, When, file_parser,
    values::{codec_parser, parse_batch},
};
use crate::units;

/// Options of every command that runs jobs.
#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    /// Number of workers [default: number of available cores]
    #[arg(short, long, value_name = "N", env = "RUNNER_WORKERS")]
    #[arg(value_parser = value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,

    /// Number of parser threads besides the reader thread [default: by the number of cores]
    // Hidden: for measurements and tests. The default is the best choice for all inputs.
    #[arg(long, value_name = "N", hide = true)]
    pub(crate) parsers: Option<u8>,

    /// Executor that runs the jobs
    #[arg(long, value_enum, default_value_t, env = "RUNNER_EXECUTOR")]
    pub(crate) executor: ExecutorKind,

    /// Maximum number of jobs in a batch
    #[arg(long, value_name = "auto|N", default_value = "auto", value_parser = parse_batch)]
    pub(crate) batch: pool::settings::BatchSize,

    /// Serialization format between the processes [default: bincode]
    #[arg(long, value_name = "NAME", value_parser = codec_parser())]
    pub(crate) codec: Option<CodecKind>,

    /// Transport between the processes: `rings` in shared memory or a socket `channel` [default: rings]
    #[arg(long, value_enum, env = "RUNNER_TRANSPORT")]
    pub(crate) transport: Option<TransportKind>,

    /// Default op. With it, bare values are jobs too: its operands, or the `args` of a user-defined op
    #[arg(long, value_name = "NAME")]
    pub(crate) op: Option<String>,

    #[command(flatten)]
    pub(crate) program: ProgramOptions,

    /// Maximum number of digits of an integer
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) max_digits: usize,

    /// Maximum size of a job's text
    #[arg(long, value_name = "SIZE", default_value = "16M")]
    pub(crate) max_job_size: units::Size,

    /// Maximum number of bytes kept of each output stream of a `command` job
    #[arg(long, value_name = "SIZE", default_value = "1M")]
    pub(crate) max_output: units::Size,

    /// Maximum size of a result, as text; a job with a larger one fails
    #[arg(long, value_name = "SIZE", default_value = "64M")]
    pub(crate) max_result: units::Size,

    /// Allow `command` jobs, which run programs
    #[arg(long)]
    pub(crate) allow_command: bool,

    /// Print results as jobs finish instead of in input order
    #[arg(long)]
    pub(crate) unordered: bool,

    /// Write the results to a file instead of standard output; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Terminate a job that runs longer than this [default: no limit]
    #[arg(long, value_name = "SECS", value_parser = units::positive_seconds)]
    pub(crate) timeout: Option<Duration>,

    /// Grace period between SIGTERM and SIGKILL for a job that timed out
    #[arg(long, value_name = "SECS", default_value = "1", value_parser = units::seconds)]
    pub(crate) kill_after: Duration,

    /// Stop the run after this time, as the first Ctrl-C does, with exit code 1 [default: no limit]
    #[arg(long, value_name = "SECS", value_parser = units::positive_seconds)]
    pub(crate) time_limit: Option<Duration>,

    #[command(flatten)]
    pub(crate) supervision: SupervisionArguments,

    #[command(flatten)]
    pub(crate) admission: AdmissionArguments,

    #[command(flatten)]
    pub(crate) sandbox: SandboxArguments,

    #[command(flatten)]
    pub(crate) journal: JournalArguments,

    /// Stop starting jobs after N failures; running jobs finish [default: no limit]
    #[arg(long, value_name = "N")]
    pub(crate) max_failures: Option<NonZeroU64>,

    /// Alias of `--max-failures 1`
    #[arg(long, conflicts_with = "max_failures")]
    pub(crate) fail_fast: bool,

    /// Stop starting jobs after the first invalid job
    #[arg(long)]
    pub(crate) strict: bool,

    /// Show progress on standard error; `auto` shows it if standard error is a terminal
    #[arg(long, value_enum, default_value_t, env = "RUNNER_PROGRESS")]
    pub(crate) progress: When,

    /// Print statistics of the run and of each worker to standard error; FORMAT is `text` if omitted
    #[arg(long, value_enum, value_name = "FORMAT")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    pub(crate) stats: Option<StatsFormat>,

    /// Write the statistics to a file instead; `-` is standard output
    #[arg(long, value_name = "FILE", requires = "stats")]
    pub(crate) stats_file: Option<PathBuf>,

    /// Write a timeline of the workers to a file, in the trace event format of Perfetto
    #[arg(long, value_name = "FILE", value_parser = file_parser())]
    pub(crate) trace: Option<PathBuf>,

    /// Write metrics of the run to a file for Prometheus, every five seconds and at the end
    #[arg(long, value_name = "FILE", value_parser = file_parser())]
    pub(crate) metrics: Option<PathBuf>,

    /// Interval at which the metrics are written
    // Hidden: for tests. Collectors read the file less often.
    #[arg(long, value_name = "SECS", default_value = "5", hide = true)]
    #[arg(value_parser = units::positive_seconds)]
    pub(crate) metrics_interval: Duration,

    /// Print only results and errors that end the run
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Report every invalid job on standard error, not only the first ten
    #[arg(short, long)]
    pub(crate) verbose: bool,

    /// Validate and count the jobs and print the plan without running anything
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Executable to start as a worker [default: this executable]
    #[arg(long, value_name = "PATH")]
    pub(crate) worker_bin: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) cluster: ClusterOptions,
}
