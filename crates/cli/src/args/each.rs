//! Arguments of `runner each`.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;

use super::RunOptions;

/// Arguments of `runner each`.
#[derive(Debug, Args)]
#[command(
    override_usage = "runner each [OPTIONS] [FILE]... -- PROGRAM [ARG]...",
    after_help = "PROGRAM reads a line from standard input, writes one line to standard output, flushes, and \
                  continues with the next line. Each worker keeps it running. A line without a result leaves \
                  an empty line."
)]
pub(crate) struct EachArguments {
    /// Input files; `-` or none reads standard input
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Program to run, with its arguments
    #[arg(value_name = "PROGRAM", last = true)]
    pub(crate) program: Vec<OsString>,

    /// Terminate lines with NUL instead of newline: in the input, requests, replies and the output
    #[arg(short = '0', long = "null")]
    pub(crate) null: bool,

    /// Print one JSON record per line instead of the replies
    #[arg(long)]
    pub(crate) records: bool,

    #[command(flatten)]
    pub(crate) run: RunOptions,
}
