//! Replacement of `cluster` in builds without the feature `cluster`.

use std::ffi::OsString;

use clap::{Args, Subcommand};

/// No options.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ClusterOptions {}

impl ClusterOptions {
    pub(crate) fn set_local_option(&mut self, _: Option<String>) {}

    pub(crate) fn is_enabled(&self) -> bool {
        false
    }
}

/// Subcommands that are recognized only to be rejected, so that their names are not opened as files.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Not in this build
    #[command(hide = true)]
    Node(IgnoredArguments),
    /// Not in this build
    #[command(hide = true)]
    Cluster(IgnoredArguments),
}

/// All arguments of such a subcommand.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct IgnoredArguments {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<OsString>,
}
