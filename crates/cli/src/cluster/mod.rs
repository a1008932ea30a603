//! The same jobs on many machines: the options, and the commands `node` and `cluster`.
//!
//! | file | concern |
//! |---|---|
//! | `args` | the command lines |
//! | `connection` | from options and environment to addresses and credentials |
//! | `misuse` | what can be wrong with them, in words |
//! | `submit` | `runner --cluster`: the executor of a run |
//! | `node` | `runner node` |
//! | `look` | `runner cluster status` and `clean` |
//!
//! A build without the feature `cluster` has `no_cluster.rs` in place of this.

mod args;
mod connection;
mod look;
mod misuse;
mod node;
mod submit;

pub(crate) use args::{ClusterCommand, RunArguments};
pub(crate) use misuse::ClusterMisuse;
pub(crate) use submit::ClusterPlan;

use crate::exit::ExitStatus;
use args::Look;

/// Carries out `runner node` or `runner cluster`.
pub(crate) fn carry_out(command: ClusterCommand) -> ExitStatus {
    match command {
        ClusterCommand::Node(arguments) => node::node(*arguments),
        ClusterCommand::Cluster { what } => match *what {
            Look::Status { server, json } => look::status(&server, json),
            Look::Clean { server, run_id } => look::clean(&server, run_id.as_ref()),
        },
    }
}
