//! Replacement of the module `cluster` in builds without the feature `cluster`. Its subcommands are rejected.

use std::{ffi::OsString, path::Path};

use clap::{Args, Subcommand};
use console::ExitStatus;

use crate::{
    args::RunOptions,
    error::{self, UsageError},
    plan::{Connect, Plan},
};

/// No options.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RunArguments {}

impl RunArguments {
    pub(crate) fn note_local(&mut self, _: Option<String>) {}

    pub(crate) fn is_asked(&self) -> bool {
        false
    }
}

/// Uninhabited: without the feature there is no cluster plan.
#[derive(Debug)]
pub(crate) enum ClusterPlan {}

impl ClusterPlan {
    pub(crate) fn new(_: &RunOptions) -> Result<Option<ClusterPlan>, UsageError> {
        Ok(None)
    }

    pub(crate) fn files_read(&self) -> Vec<(&'static str, &Path)> {
        match *self {}
    }

    pub(crate) fn connecting(&self, _: &Plan) -> Connect {
        match *self {}
    }
}

/// Subcommands that are recognized only to be rejected, so that their names are not opened as files.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Not in this build
    #[command(hide = true)]
    Node(Absent),
    /// Not in this build
    #[command(hide = true)]
    Cluster(Absent),
}

#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Absent {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

pub(crate) fn carry_out(command: ClusterCommand) -> ExitStatus {
    let (ClusterCommand::Node(Absent { rest }) | ClusterCommand::Cluster(Absent { rest })) = command;
    drop(rest);
    error::print(&UsageError::NoCluster);
    ExitStatus::Usage
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::args::Arguments;

    use super::*;
    use crate::args::Command;

    #[test]
    fn rejects_cluster_subcommands_with_any_arguments() {
        for call in [&["runner", "node"][..], &["runner", "cluster", "status", "--json"]] {
            let arguments = Arguments::try_parse_from(call).unwrap();
            let Some(Command::Cluster(command)) = arguments.command else {
                panic!("{call:?} was parsed as jobs")
            };
            assert!(carry_out(command) == ExitStatus::Usage);
        }
        let node = Arguments::try_parse_from(["runner", "node", "--cluster", "nats://one", "--queue", "q"]);
        assert!(matches!(node.unwrap().command, Some(Command::Cluster(ClusterCommand::Node(_)))));
        assert!(Arguments::try_parse_from(["runner", "--cluster", "nats://one"]).is_err());
    }
}
