//! The command lines.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, value_parser};
use cluster::{Queue, RunId};

use crate::{
    args::{Arguments, ExecutorKind, RunOptions, SupervisionArguments},
    each::ProgramOptions,
    units,
};

/// Where the cluster is, and who we are. An address is parsed later: clap would repeat what is wrong with it, and a password may
/// stand in it.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ServerArguments {
    /// NATS servers with JetStream: nats://HOST:PORT or tls://HOST:PORT, several separated by commas
    #[arg(long, value_name = "URL", env = "RUNNER_CLUSTER", hide_env_values = true)]
    pub(crate) cluster: Option<String>,

    /// The queue
    #[arg(long, value_name = "NAME", env = "RUNNER_QUEUE")]
    pub(crate) queue: Option<Queue>,

    /// The user, whose password RUNNER_CLUSTER_PASSWORD has, or a file
    #[arg(long, value_name = "NAME", env = "RUNNER_CLUSTER_USER")]
    pub(crate) cluster_user: Option<String>,

    /// A file with the user's password
    #[arg(long, value_name = "FILE")]
    pub(crate) cluster_password_file: Option<PathBuf>,

    /// A file with a token; without it RUNNER_CLUSTER_TOKEN is looked at
    #[arg(long, value_name = "FILE")]
    pub(crate) cluster_token_file: Option<PathBuf>,

    /// A file with the seed of an NKey
    #[arg(long, value_name = "FILE", env = "RUNNER_CLUSTER_NKEY")]
    pub(crate) cluster_nkey: Option<PathBuf>,

    /// A credentials file: a JWT and its seed
    #[arg(long, value_name = "FILE", env = "RUNNER_CLUSTER_CREDS")]
    pub(crate) cluster_creds: Option<PathBuf>,

    /// Certificates (PEM) to trust in place of the system's; the connection is encrypted then
    #[arg(long, value_name = "FILE", env = "RUNNER_CLUSTER_CA")]
    pub(crate) cluster_ca: Option<PathBuf>,

    /// Our own certificate (PEM)
    #[arg(long, value_name = "FILE", env = "RUNNER_CLUSTER_CERT")]
    pub(crate) cluster_cert: Option<PathBuf>,

    /// The key of our own certificate (PEM)
    #[arg(long, value_name = "FILE", env = "RUNNER_CLUSTER_KEY")]
    pub(crate) cluster_key: Option<PathBuf>,

    /// How long to try to connect, and how long a full queue may stay full; default: 10
    #[arg(long, value_name = "SECS", value_parser = units::positive_seconds)]
    pub(crate) cluster_timeout: Option<Duration>,
}

/// How a queue is made that is not there yet.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct StreamArguments {
    /// How many servers keep each message, if the queue has to be made; default: 1
    #[arg(long, value_name = "N", value_parser = value_parser!(u8).range(1..=5))]
    pub(crate) replicas: Option<u8>,

    /// The most bytes of jobs that wait, if the queue has to be made; default: what the server has room for
    #[arg(long, value_name = "SIZE")]
    pub(crate) stream_bytes: Option<units::Size>,
}

/// What a run needs to use a cluster.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) server: ServerArguments,

    #[command(flatten)]
    pub(crate) streams: StreamArguments,

    /// The run's name, under which it can be gone on with; default: made of the time
    #[arg(long, value_name = "ID", help_heading = "Cluster")]
    pub(crate) run_id: Option<RunId>,

    /// The first option on the command line that is not for a cluster.
    #[arg(skip)]
    pub(crate) out_of_place: Option<String>,
}

impl RunArguments {
    /// Whether the run is on a cluster.
    pub(crate) fn is_asked(&self) -> bool {
        self.server.cluster.is_some()
    }

    /// Notes the first option on the command line that only a local pool understands.
    pub(crate) fn note_local(&mut self, option: Option<String>) {
        self.out_of_place = option;
    }
}

/// What has to do with clusters beside running jobs.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Serve a cluster's queue from this machine
    Node(Box<NodeArguments>),
    /// Look at a cluster's queue, or remove it
    Cluster {
        #[command(subcommand)]
        what: Box<Look>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Look {
    /// Print nodes, depth, work in flight, runs and quarantined batches of a queue
    Status {
        #[command(flatten)]
        server: ServerArguments,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a queue with all that it has stored, or one run of it
    Clean {
        #[command(flatten)]
        server: ServerArguments,
        /// Only this run
        #[arg(long, value_name = "ID")]
        run_id: Option<RunId>,
    },
}

/// The command line of `runner node`.
#[derive(Debug, Args)]
pub(crate) struct NodeArguments {
    #[command(flatten)]
    pub(crate) server: ServerArguments,

    #[command(flatten)]
    pub(crate) streams: StreamArguments,

    /// How long a batch may be silent before another node gets it, for all nodes of the queue; default: as it is, or 30
    #[arg(long, value_name = "SECS", value_parser = units::positive_seconds)]
    pub(crate) ack_wait: Option<Duration>,

    /// A batch that has been delivered more often is given up, and its jobs with it
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u64).range(1..))]
    pub(crate) max_deliveries: u64,

    /// How many workers; default: as many as this process may use cores
    #[arg(short, long, value_name = "N", env = "RUNNER_WORKERS", value_parser = value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,

    /// Let `command` jobs run programs
    #[arg(long)]
    pub(crate) allow_command: bool,

    /// Run the jobs of a user-defined op on a program that each worker keeps running. May be given several times
    #[arg(long, value_name = "NAME=COMMAND")]
    pub(crate) define: Vec<String>,

    #[command(flatten)]
    pub(crate) program: ProgramOptions,

    /// The most bytes kept of each output stream of a `command` job
    #[arg(long, value_name = "SIZE", default_value = "1M")]
    pub(crate) max_output: units::Size,

    /// Longest result of a job, as text; a job with a longer one fails
    #[arg(long, value_name = "SIZE", default_value = "64M")]
    pub(crate) max_result: units::Size,

    /// End a job that runs longer and that brings no limit of its own
    #[arg(long, value_name = "SECS", value_parser = units::positive_seconds)]
    pub(crate) timeout: Option<Duration>,

    /// How long a job may take to end after SIGTERM, before SIGKILL
    #[arg(long, value_name = "SECS", default_value = "1", value_parser = units::seconds)]
    pub(crate) kill_after: Duration,

    #[command(flatten)]
    pub(crate) supervision: SupervisionArguments,

    /// The program to start as a worker; default: this one
    #[arg(long, value_name = "PATH")]
    pub(crate) worker_bin: Option<PathBuf>,

    /// Print nothing but errors that end the node
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Print a line for each batch
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

impl NodeArguments {
    /// The pool of a node is that of a run on worker processes.
    pub(crate) fn for_the_pool(self) -> Arguments {
        let usual = Arguments::defaults();
        let run = RunOptions {
            cluster: RunArguments::default(),
            executor: ExecutorKind::Processes,
            workers: self.workers,
            allow_command: self.allow_command,
            max_output: self.max_output,
            max_result: self.max_result,
            timeout: self.timeout,
            kill_after: self.kill_after,
            supervision: self.supervision,
            worker_bin: self.worker_bin,
            program: self.program,
            ..usual.run
        };
        Arguments { define: self.define, run, ..usual }
    }
}
