//! Command-line arguments, as clap parses them.
//!
//! | file | concern |
//! |---|---|
//! | `values` | values of options |
//! | `groups`, `admission`, `program`, `sandbox`, `cluster` | options that several commands share |
//! | `run` | options of every command that runs jobs |
//! | `each`, `advise`, `bench`, `cluster` | arguments of the subcommands of these names |
//! | `command`, `arguments` | all subcommands, and the complete command line |
//! | `read`, `variables` | reads the command line and the environment variables |
//!
//! Builds without the feature `cluster` use `no_cluster` instead of `cluster`.

mod admission;
mod advise;
mod arguments;
mod bench;
#[cfg_attr(not(feature = "cluster"), path = "no_cluster.rs")]
mod cluster;
mod command;
mod each;
mod groups;
mod program;
mod read;
mod run;
mod sandbox;
mod values;
mod variables;

#[cfg(not(feature = "cluster"))]
pub(crate) use self::cluster::IgnoredArguments;
#[cfg(feature = "cluster")]
pub(crate) use self::cluster::{NodeArguments, QueueCommand, ServerArguments, StreamArguments};
pub(crate) use self::{
    admission::{AdmissionArguments, MaxLoad},
    advise::AdviseArguments,
    arguments::Arguments,
    bench::BenchArguments,
    cluster::{ClusterCommand, ClusterOptions},
    command::{Command, Packaging},
    each::EachArguments,
    groups::{JournalArguments, SupervisionArguments},
    program::ProgramOptions,
    read::{command, command_named, print, read},
    run::RunOptions,
    sandbox::SandboxArguments,
    values::{ExecutorKind, Format, Fsync, StatsFormat, TransportKind, When, file_parser},
};
