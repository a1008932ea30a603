//! Values of options, and their parsers.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
};

use clap::{
    ValueEnum,
    builder::{PathBufValueParser, PossibleValuesParser, TypedValueParser},
};
use pool::settings::CodecKind;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExecutorKind {
    /// Worker processes; a crash fails only the job that crashed
    #[default]
    Processes,
    /// Threads of this process; less overhead, but a crash ends the run
    Threads,
    /// One job at a time on the thread that reads the input
    Serial,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A JSON array if the first byte is `[`, JSON Lines otherwise
    #[default]
    Auto,
    /// A single JSON array
    Array,
    /// JSON Lines
    Lines,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    #[default]
    Auto,
    Always,
    Never,
}

impl When {
    /// Returns whether to show progress. `quiet` turns [`When::Auto`] off.
    pub(crate) fn is_wanted(self, quiet: bool) -> bool {
        match self {
            When::Always => true,
            When::Never => false,
            When::Auto => !quiet && io::stderr().is_terminal(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fsync {
    /// Never; a machine crash can lose recorded outcomes
    Never,
    /// Once per group of outcomes that arrived during the previous sync
    #[default]
    Batch,
    /// After each outcome
    Always,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatsFormat {
    Text,
    Json,
}

/// Transport of jobs and outcomes between the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TransportKind {
    Rings,
    Channel,
}

impl From<TransportKind> for pool::settings::Transport {
    fn from(kind: TransportKind) -> pool::settings::Transport {
        match kind {
            TransportKind::Rings => pool::settings::Transport::Rings,
            TransportKind::Channel => pool::settings::Transport::Channel,
        }
    }
}

/// Parses the name of a codec; the names are listed in help and completions.
pub(super) fn codec_parser() -> impl TypedValueParser<Value = CodecKind> {
    let names = CodecKind::ALL.iter().map(|codec| codec.name());
    PossibleValuesParser::new(names).try_map(|name| name.parse())
}

/// Parses the path of a file and rejects `-`, because the file cannot be standard output.
pub(crate) fn file_parser() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.as_os_str() == "-" {
        true => Err("expected a file; to use a file named -, pass ./-"),
        false => Ok(path),
    })
}

pub(super) fn parse_batch(text: &str) -> Result<pool::settings::BatchSize, String> {
    match text {
        "auto" => Ok(pool::settings::BatchSize::Auto),
        number => number
            .parse()
            .map(pool::settings::BatchSize::Fixed)
            .map_err(|_| "expected `auto` or a number greater than 0".into()),
    }
}
