//! Replacement of `cluster` in builds without the feature `cluster`.

use console::ExitStatus;

use crate::{
    args::{ClusterCommand, IgnoredArguments},
    error::{self, UsageError},
};

/// Rejects `runner node` and `runner cluster`.
pub(crate) fn cluster(command: ClusterCommand) -> ExitStatus {
    let (ClusterCommand::Node(IgnoredArguments { words })
    | ClusterCommand::Cluster(IgnoredArguments { words })) = command;
    drop(words);
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
            assert!(cluster(command) == ExitStatus::Usage);
        }
        let node = Arguments::try_parse_from(["runner", "node", "--cluster", "nats://one", "--queue", "q"]);
        assert!(matches!(node.unwrap().command, Some(Command::Cluster(ClusterCommand::Node(_)))));
        assert!(Arguments::try_parse_from(["runner", "--cluster", "nats://one"]).is_err());
    }
}
