//! What stands in place of the cluster in a build without it: nothing but the word that it is not there.

use std::{ffi::OsString, path::Path};

use clap::{Args, Subcommand};

use crate::{
    args::RunOptions,
    error::{self, UsageError},
    exit::ExitStatus,
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

/// There is no such plan.
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

/// Files of these names are not meant, so they are not looked for.
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
    fn what_needs_a_cluster_is_known_and_refused_whatever_follows() {
        for call in [&["runner", "node"][..], &["runner", "cluster", "status", "--json"]] {
            let arguments = Arguments::try_parse_from(call).unwrap();
            let Some(Command::Cluster(command)) = arguments.command else {
                panic!("{call:?} is taken for jobs")
            };
            assert!(carry_out(command) == ExitStatus::Usage);
        }
        let node = Arguments::try_parse_from(["runner", "node", "--cluster", "nats://one", "--queue", "q"]);
        assert!(matches!(node.unwrap().command, Some(Command::Cluster(ClusterCommand::Node(_)))));
        assert!(Arguments::try_parse_from(["runner", "--cluster", "nats://one"]).is_err());
    }
}
