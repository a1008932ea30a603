//! Options of the sandbox, of a local run and of a cluster node.

use std::path::PathBuf;

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use pool::settings::SandboxLevel;

/// Restrictions of workers, or of the programs that they run.
#[derive(Debug, Args)]
pub(crate) struct SandboxArguments {
    /// Restrict what jobs can do; with `--allow-command`, `--define` or `each`, what their programs can do
    /// [default: best-effort; off for programs]
    #[arg(long, value_name = "LEVEL", value_parser = level_parser())]
    pub(crate) sandbox: Option<SandboxLevel>,

    /// Allow reading a file, or the files below a directory, in the sandbox. May be given several times
    #[arg(long, value_name = "PATH")]
    pub(crate) sandbox_read: Vec<PathBuf>,

    /// Allow reading, writing, creating and removing files below a directory, in the sandbox. May be given
    /// several times
    #[arg(long, value_name = "PATH")]
    pub(crate) sandbox_write: Vec<PathBuf>,

    /// Allow sockets in the sandbox
    #[arg(long)]
    pub(crate) sandbox_net: bool,
}

fn level_parser() -> impl TypedValueParser<Value = SandboxLevel> {
    let levels = [SandboxLevel::Off, SandboxLevel::BestEffort, SandboxLevel::Strict];
    PossibleValuesParser::new(levels.map(SandboxLevel::name)).try_map(|name| name.parse())
}

impl SandboxArguments {
    /// Returns the first option that is given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        self.sandbox.map(|_| "--sandbox").or_else(|| self.exception())
    }

    /// Returns the first option that allows something.
    pub(crate) fn exception(&self) -> Option<&'static str> {
        let given = [
            ("--sandbox-read", !self.sandbox_read.is_empty()),
            ("--sandbox-write", !self.sandbox_write.is_empty()),
            ("--sandbox-net", self.sandbox_net),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(option, _)| option)
    }
}
