//! The validated command line as plain data. Building it opens no input or output and starts no process.
//!
//! | file | concern |
//! |---|---|
//! | `admission` | when a run gives way to other work |
//! | `define` | user-defined ops: `--define` and `runner each` |
//! | `journal` | the journal |
//! | `process_pool` | the pool of worker processes |
//! | `sandbox` | what workers or programs may do |
//! | `cluster` | the connection to a cluster, and the executor of a run on it |
//!
//! Builds without the feature `cluster` use `no_cluster` instead of `cluster`.

mod admission;
#[cfg_attr(not(feature = "cluster"), path = "no_cluster.rs")]
mod cluster;
mod define;
mod journal;
mod process_pool;
mod sandbox;

use std::{
    num::NonZeroU64,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ops::{Builtin, Limits, ProgramDefinition, Protocol};
use pool::{
    Executor, ProcessPool, Serial, ThreadPool,
    error::BuildError,
    metrics::Observer,
    settings::{MAX_WORKERS, available_cores},
};

pub(crate) use self::{admission::AdmissionPlan, journal::JournalPlan, sandbox::SandboxPlan};

use self::{cluster::ClusterPlan, define::DefinedOps, process_pool::PoolPlan};
use crate::{
    args::{self, Arguments, EachArguments, ExecutorKind, Format, RunOptions, StatsFormat, When},
    error::{RunError, UsageError, warn},
    files::{Destination, Input},
    output::{BufferLimits, BufferSettings, Layout},
    parse::ParseOptions,
};

/// Limits of a local run.
const LOCAL_LIMITS: BufferLimits = BufferLimits { jobs: 8_192, bytes: 24 << 20 };

/// Buffered jobs per worker: two batches of short jobs, and as many in transit to and from the worker.
const JOBS_PER_WORKER: usize = 2_048;

/// Limits of a cluster run: enough to keep many machines busy while one slow job blocks the output.
const CLUSTER_LIMITS: BufferLimits = BufferLimits { jobs: 1 << 20, bytes: 256 << 20 };

/// Assumed number of workers of a cluster, whose actual number is unknown. The reorder buffer always admits
/// at least four jobs per worker.
const CLUSTER_WORKERS: usize = 1_024;

/// Everything that one call of `runner` is to do.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) inputs: Vec<Input>,
    pub(crate) format: Format,
    pub(crate) parse_options: ParseOptions,
    pub(crate) layout: Layout,
    pub(crate) max_job_size: usize,
    pub(crate) limits: Limits,
    pub(crate) executor: ExecutorKind,
    pub(crate) workers: usize,
    /// Maximum number of parser threads besides the reader thread; `None` chooses by the number of cores.
    pub(crate) parsers: Option<usize>,
    /// Cluster that runs the jobs; `None` runs them locally.
    pub(crate) cluster: Option<ClusterPlan>,
    pub(crate) unordered: bool,
    pub(crate) output: Destination,
    pub(crate) journal: Option<JournalPlan>,
    /// Number of failures after which no more jobs are started.
    pub(crate) max_failures: Option<NonZeroU64>,
    /// Whether the first invalid job ends the run.
    pub(crate) strict: bool,
    /// Time limit of the whole run.
    pub(crate) time_limit: Option<Duration>,
    pub(crate) progress: When,
    pub(crate) stats: Option<StatsFormat>,
    /// Destination of the statistics; `None` is standard error.
    pub(crate) stats_file: Option<Destination>,
    pub(crate) trace: Option<Destination>,
    pub(crate) metrics: Option<MetricsPlan>,
    /// Conditions under which no jobs are started.
    pub(crate) admission: Option<AdmissionPlan>,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    pub(crate) dry_run: bool,
    pub(crate) sandbox: SandboxPlan,
    pool: PoolPlan,
}

/// File with metrics of the run.
#[derive(Debug)]
pub(crate) struct MetricsPlan {
    pub(crate) path: PathBuf,
    /// Time between two writes of the file.
    pub(crate) interval: Duration,
}

/// The executor of a run.
pub(crate) struct RunExecutor {
    pub(crate) executor: Arc<dyn Executor<Builtin>>,
    /// The same executor, if it is a pool of processes on this machine.
    pub(crate) pool: Option<Arc<ProcessPool<Builtin>>>,
}

/// Settings that differ between the commands that run jobs.
struct CommandPlan {
    jobs: Vec<PathBuf>,
    format: Format,
    parse_options: ParseOptions,
    layout: Layout,
    programs: Vec<ProgramDefinition>,
}

impl Plan {
    /// Plan of `runner` without a subcommand.
    pub(crate) fn new(arguments: Arguments) -> Result<Plan, UsageError> {
        let Arguments { jobs, format, define, run, .. } = arguments;
        if let Some(command) = jobs.first().and_then(|job| args::command_named(job)) {
            return Err(UsageError::OptionsBeforeCommand(command));
        }
        let defined = DefinedOps::by_options(&define, &run)?;
        let default_op = run.op.as_deref().map(|name| defined.op(name)).transpose()?;
        let parse_options =
            ParseOptions { defined: defined.ops, ..ParseOptions::new(default_op, run.max_digits) };
        let command =
            CommandPlan { jobs, format, parse_options, layout: Layout::Records, programs: defined.programs };
        Plan::with(command, run)
    }

    /// Plan of `runner each`.
    pub(crate) fn each(arguments: EachArguments) -> Result<Plan, UsageError> {
        let defined = DefinedOps::by_each(&arguments)?;
        let EachArguments { files, records, run, .. } = arguments;
        let op = defined.ops.first();
        let parse_options =
            ParseOptions { defined: defined.ops, each: op, ..ParseOptions::new(None, run.max_digits) };
        let (protocol, delimiter) = op.map_or((Protocol::Text, b'\n'), |op| (op.protocol, op.delimiter));
        let layout = match records {
            true => Layout::ReplyRecords { protocol },
            false => Layout::Replies { protocol, delimiter, failures_have_lines: !run.unordered },
        };
        let command = CommandPlan {
            jobs: files,
            format: Format::Lines,
            parse_options,
            layout,
            programs: defined.programs,
        };
        Plan::with(command, run)
    }

    fn with(command: CommandPlan, arguments: RunOptions) -> Result<Plan, UsageError> {
        let CommandPlan { jobs, format, parse_options, layout, programs } = command;
        let pool = PoolPlan::new(&arguments);
        let runs_programs = arguments.allow_command || !programs.is_empty();
        let sandbox = SandboxPlan::new(&arguments.sandbox, runs_programs)?;
        let cluster = ClusterPlan::new(&arguments)?;
        // `RUNNER_EXECUTOR` applies to local runs only.
        let executor = if cluster.is_some() { ExecutorKind::Processes } else { arguments.executor };
        if executor != ExecutorKind::Processes {
            reject_process_options(&arguments, &parse_options)?;
        }
        let mut inputs: Vec<Input> = jobs.into_iter().map(Input::new).collect();
        if inputs.is_empty() {
            inputs.push(Input::Standard);
        }
        let output = arguments.output.map_or(Destination::Standard, Destination::new);
        let stats_file = arguments.stats_file.map(Destination::new);
        if output == Destination::Standard && stats_file == Some(Destination::Standard) {
            return Err(UsageError::OneStandardOutput("the results", "--stats-file"));
        }
        let workers = worker_count(cluster.is_some(), executor, arguments.workers.map(usize::from));
        Ok(Plan {
            inputs,
            format,
            parse_options,
            layout,
            max_job_size: usize::try_from(arguments.max_job_size.0).unwrap_or(usize::MAX),
            limits: Limits {
                allow_command: arguments.allow_command,
                max_output: arguments.max_output.0,
                max_result: arguments.max_result.0,
                programs,
                sandbox: sandbox.of_programs(),
            },
            workers,
            parsers: arguments.parsers.map(usize::from),
            executor,
            cluster,
            unordered: arguments.unordered,
            output,
            journal: JournalPlan::new(arguments.journal),
            max_failures: arguments.fail_fast.then_some(NonZeroU64::MIN).or(arguments.max_failures),
            strict: arguments.strict,
            time_limit: arguments.time_limit,
            progress: arguments.progress,
            stats: arguments.stats,
            stats_file,
            trace: arguments.trace.map(Destination::File),
            metrics: arguments.metrics.map(|path| MetricsPlan { path, interval: arguments.metrics_interval }),
            admission: AdmissionPlan::new(arguments.admission),
            quiet: arguments.quiet,
            verbose: arguments.verbose,
            dry_run: arguments.dry_run,
            sandbox,
            pool,
        })
    }

    /// Files that are read but are not inputs, with the options that name them.
    pub(crate) fn files_read_elsewhere(&self) -> Vec<(&'static str, &Path)> {
        let worker = self.pool.worker_bin.as_deref().map(|program| ("--worker-bin", program));
        let cluster = self.cluster.as_ref().map(ClusterPlan::files_read);
        worker.into_iter().chain(cluster.unwrap_or_default()).collect()
    }

    /// Creates the local executor. `observer` applies to processes only.
    pub(crate) fn make_executor(&self, observer: Option<Arc<dyn Observer>>) -> Result<RunExecutor, RunError> {
        let limits = self.limits.clone();
        let executor: Arc<dyn Executor<Builtin>> = match self.executor {
            ExecutorKind::Serial => Arc::new(Serial::new(limits)),
            ExecutorKind::Threads => Arc::new(ThreadPool::new(self.workers, limits)),
            ExecutorKind::Processes => {
                let pool = Arc::new(self.make_processes(self.workers, observer)?);
                return Ok(RunExecutor { executor: pool.clone(), pool: Some(pool) });
            }
        };
        Ok(RunExecutor { executor, pool: None })
    }

    /// Programs of user-defined ops that run on this machine.
    pub(crate) fn programs(&self) -> &[ProgramDefinition] {
        &self.limits.programs
    }

    /// Settings of the reorder buffer.
    pub(crate) fn buffer_settings(&self) -> BufferSettings {
        let jobs = LOCAL_LIMITS.jobs.max(self.workers * JOBS_PER_WORKER);
        let limits = match self.cluster {
            Some(_) => CLUSTER_LIMITS,
            None => BufferLimits { jobs, ..LOCAL_LIMITS },
        };
        BufferSettings {
            layout: self.layout,
            is_ordered: !self.unordered,
            workers: self.workers,
            limits,
            max_failures: self.max_failures,
        }
    }

    /// Error for an executor that cannot run jobs any more.
    pub(crate) fn executor_error(&self, cause: &str) -> RunError {
        match self.cluster {
            Some(_) => RunError::Cluster(cause.to_owned()),
            None => RunError::PoolFailed(cause.to_owned()),
        }
    }

    /// Creates a pool of worker processes.
    pub(crate) fn make_processes(
        &self,
        workers: usize,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<ProcessPool<Builtin>, BuildError> {
        let pool = self.pool.build(self.limits.clone(), self.sandbox.of_workers(), workers, observer)?;
        if self.verbose {
            self.sandbox.gaps().iter().for_each(|gap| warn(&format!("the sandbox is incomplete: {gap}")));
        }
        if self.verbose
            && let Some(cause) = pool.transport_fallback()
        {
            warn(&format!(
                "using sockets instead of shared memory, which cannot be created at its default size: {cause}"
            ));
        }
        Ok(pool)
    }
}

/// Rejects options that apply to worker processes only.
fn reject_process_options(arguments: &RunOptions, parse_options: &ParseOptions) -> Result<(), UsageError> {
    let process_options = [
        ("--codec", arguments.codec.is_some()),
        ("--timeout", arguments.timeout.is_some()),
        ("--max-memory", arguments.supervision.max_memory.is_some()),
        ("--max-rss", arguments.supervision.max_rss.is_some()),
        ("--recycle-rss", arguments.supervision.recycle_rss.is_some()),
        ("--max-jobs-per-worker", arguments.supervision.max_jobs_per_worker.is_some()),
        ("--pin", arguments.supervision.pin),
        ("--nice", arguments.supervision.nice.is_some()),
        ("--max-load", arguments.admission.max_load.is_some()),
        ("--min-free-memory", arguments.admission.min_free_memory.is_some()),
        ("--start-delay", arguments.admission.start_delay.is_some()),
        ("--trace", arguments.trace.is_some()),
        ("--worker-bin", arguments.worker_bin.is_some()),
        ("each", parse_options.each.is_some()),
        ("--define", !parse_options.defined.is_empty()),
    ];
    let given = process_options.into_iter().find(|(_, given)| *given).map(|(option, _)| option);
    match given.or_else(|| arguments.sandbox.given()) {
        Some(option) => Err(UsageError::NeedsProcesses(option)),
        None => Ok(()),
    }
}

fn worker_count(on_cluster: bool, executor: ExecutorKind, requested: Option<usize>) -> usize {
    match executor {
        _ if on_cluster => CLUSTER_WORKERS,
        ExecutorKind::Serial => 1,
        _ => requested.unwrap_or_else(|| available_cores().min(MAX_WORKERS)),
    }
}
