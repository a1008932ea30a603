//! Command-line arguments of clusters: options of a run, `runner node` and `runner cluster`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, value_parser};
use cluster::{Queue, RunId};

use super::{ProgramOptions, SandboxArguments, SupervisionArguments};
use crate::units;

/// Address of the cluster and credentials. The address is parsed later, because clap would print it in its
/// error message, and it may contain a password.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ServerArguments {
    /// NATS servers with JetStream: nats://HOST:PORT or tls://HOST:PORT, several separated by commas
    #[arg(long, value_name = "URL", env = "RUNNER_CLUSTER", hide_env_values = true)]
    pub(crate) cluster: Option<String>,

    /// Name of the queue
    #[arg(long, value_name = "NAME", env = "RUNNER_QUEUE")]
    pub(crate) queue: Option<Queue>,

    /// User name; the password is read from RUNNER_CLUSTER_PASSWORD or --cluster-password-file
    #[arg(long, value_name = "NAME", env = "RUNNER_CLUSTER_USER")]
    pub(crate) cluster_user: Option<String>,

    /// File with the user's password
    #[arg(long, value_name = "FILE")]
    pub(crate) cluster_password_file: Option<PathBuf>,

    /// File with a token [default: RUNNER_CLUSTER_TOKEN, if set]
    #[arg(long, value_name = "FILE")]
    pub(crate) cluster_token_file: Option<PathBuf>,

    /// File with the seed of an NKey
    #[arg(long, value_name = "FILE", env = "RUNNER_CLUSTER_NKEY")]
    pub(crate) cluster_nkey: Option<PathBuf>,

    /// Credentials file with a JWT and its seed
    #[arg(long, value_name = "FILE", env = "RUNNER_CLUSTER_CREDS")]
    pub(crate) cluster_creds: Option<PathBuf>,

    /// Certificates (PEM) to trust instead of the system's; implies an encrypted connection
    #[arg(long, value_name = "FILE", env = "RUNNER_CLUSTER_CA")]
    pub(crate) cluster_ca: Option<PathBuf>,

    /// Client certificate (PEM)
    #[arg(long, value_name = "FILE", env = "RUNNER_CLUSTER_CERT")]
    pub(crate) cluster_cert: Option<PathBuf>,

    /// Key of the client certificate (PEM)
    #[arg(long, value_name = "FILE", env = "RUNNER_CLUSTER_KEY")]
    pub(crate) cluster_key: Option<PathBuf>,

    /// Time to try to connect, and to wait while the queue is full [default: 10]
    #[arg(long, value_name = "SECS", value_parser = units::positive_seconds)]
    pub(crate) cluster_timeout: Option<Duration>,
}

/// Settings for creating a queue that does not exist.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct StreamArguments {
    /// Number of servers that store each message, when the queue is created [default: 1]
    #[arg(long, value_name = "N", value_parser = value_parser!(u8).range(1..=5))]
    pub(crate) replicas: Option<u8>,

    /// Maximum size of waiting jobs, when the queue is created [default: limit of the server]
    #[arg(long, value_name = "SIZE")]
    pub(crate) stream_bytes: Option<units::Size>,
}

/// Options of a run on a cluster.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ClusterOptions {
    #[command(flatten)]
    pub(crate) server: ServerArguments,

    #[command(flatten)]
    pub(crate) streams: StreamArguments,

    /// Name of the run, with which it can be resumed [default: generated from the time]
    #[arg(long, value_name = "ID", help_heading = "Cluster")]
    pub(crate) run_id: Option<RunId>,

    /// The first option on the command line that cannot be used with a cluster.
    #[arg(skip)]
    pub(crate) local_option: Option<String>,
}

impl ClusterOptions {
    /// Returns whether the run is on a cluster.
    pub(crate) fn is_enabled(&self) -> bool {
        self.server.cluster.is_some()
    }

    /// Sets the first option on the command line that only local pools support.
    pub(crate) fn set_local_option(&mut self, option: Option<String>) {
        self.local_option = option;
    }
}

/// Commands for clusters other than running jobs.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Run the jobs of a cluster's queue on this machine
    Node(Box<NodeArguments>),
    /// Show a cluster's queue, or remove it
    Cluster {
        #[command(subcommand)]
        command: Box<QueueCommand>,
    },
}

/// Subcommands of `runner cluster`.
#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Print nodes, depth, jobs in flight, runs and quarantined messages of a queue
    Status {
        #[command(flatten)]
        server: ServerArguments,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a queue with all its data, or one of its runs
    Clean {
        #[command(flatten)]
        server: ServerArguments,
        /// Remove only this run
        #[arg(long, value_name = "ID")]
        run_id: Option<RunId>,
    },
}

/// Arguments of `runner node`.
#[derive(Debug, Args)]
pub(crate) struct NodeArguments {
    #[command(flatten)]
    pub(crate) server: ServerArguments,

    #[command(flatten)]
    pub(crate) streams: StreamArguments,

    /// Redeliver a message whose node has been silent for this time; applies to all nodes of the queue
    /// [default: the queue's setting, or 30]
    #[arg(long, value_name = "SECS", value_parser = units::positive_seconds)]
    pub(crate) ack_wait: Option<Duration>,

    /// Quarantine the jobs of a message that has been delivered more than N times
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u64).range(1..))]
    pub(crate) max_deliveries: u64,

    /// Number of worker processes [default: number of available cores]
    #[arg(
        short, long, value_name = "N", env = "RUNNER_WORKERS",
        value_parser = value_parser!(u16).range(1..=1024)
    )]
    pub(crate) workers: Option<u16>,

    /// Allow `command` jobs to run programs
    #[arg(long)]
    pub(crate) allow_command: bool,

    /// Run the jobs of a user-defined op on a program that each worker keeps running. May be given several
    /// times
    #[arg(long, value_name = "NAME=COMMAND")]
    pub(crate) define: Vec<String>,

    #[command(flatten)]
    pub(crate) program: ProgramOptions,

    /// Maximum size of each output stream of a `command` job; the rest is dropped
    #[arg(long, value_name = "SIZE", default_value = "1M")]
    pub(crate) max_output: units::Size,

    /// Maximum size of a result as text; a job with a larger one fails
    #[arg(long, value_name = "SIZE", default_value = "64M")]
    pub(crate) max_result: units::Size,

    /// Stop a job after this time, unless it has a time limit of its own
    #[arg(long, value_name = "SECS", value_parser = units::positive_seconds)]
    pub(crate) timeout: Option<Duration>,

    /// Grace period of a job between SIGTERM and SIGKILL
    #[arg(long, value_name = "SECS", default_value = "1", value_parser = units::seconds)]
    pub(crate) kill_after: Duration,

    #[command(flatten)]
    pub(crate) supervision: SupervisionArguments,

    #[command(flatten)]
    pub(crate) sandbox: SandboxArguments,

    /// Program to start as a worker [default: this program]
    #[arg(long, value_name = "PATH")]
    pub(crate) worker_bin: Option<PathBuf>,

    /// Print only errors that end the node
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Print a line for each message
    #[arg(short, long)]
    pub(crate) verbose: bool,
}
