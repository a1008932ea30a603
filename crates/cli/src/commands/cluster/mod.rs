//! The commands `runner node` and `runner cluster`.
//!
//! | file | concern |
//! |---|---|
//! | `node` | `runner node` |
//! | `admin` | `runner cluster status` and `clean` |
//!
//! Builds without the feature `cluster` use `no_cluster.rs` instead of this module.

mod admin;
mod node;

use console::ExitStatus;

use crate::args::{ClusterCommand, QueueCommand};

/// Runs `runner node` or `runner cluster`.
pub(crate) fn cluster(command: ClusterCommand) -> ExitStatus {
    match command {
        ClusterCommand::Node(arguments) => node::node(*arguments),
        ClusterCommand::Cluster { command } => match *command {
            QueueCommand::Status { server, json } => admin::status(&server, json),
            QueueCommand::Clean { server, run_id } => admin::clean(&server, run_id.as_ref()),
        },
    }
}
