//! Runs jobs on a cluster: the options, and the commands `node` and `cluster`.
//!
//! | file | concern |
//! |---|---|
//! | `args` | command-line arguments |
//! | `connection` | converts options and environment variables to addresses and credentials |
//! | `submit` | `runner --cluster`: the executor of a run |
//! | `node` | `runner node` |
//! | `admin` | `runner cluster status` and `clean` |
//!
//! Builds without the feature `cluster` use `no_cluster.rs` instead of this module.

mod admin;
mod args;
mod connection;
mod node;
mod submit;

pub(crate) use args::{ClusterCommand, RunArguments};
pub(crate) use submit::ClusterPlan;

use args::QueueCommand;
use console::ExitStatus;

/// Runs `runner node` or `runner cluster`.
pub(crate) fn carry_out(command: ClusterCommand) -> ExitStatus {
    match command {
        ClusterCommand::Node(arguments) => node::node(*arguments),
        ClusterCommand::Cluster { what } => match *what {
            QueueCommand::Status { server, json } => admin::status(&server, json),
            QueueCommand::Clean { server, run_id } => admin::clean(&server, run_id.as_ref()),
        },
    }
}
