//! Options of the programs of user-defined ops.

use std::{num::NonZeroU32, os::fd::RawFd, time::Duration};

use clap::{Args, ValueEnum, value_parser};
use ops::{Depth, Protocol};

use crate::units;

/// Options of the programs of user-defined ops.
#[derive(Debug, Args)]
#[command(next_help_heading = "User-defined ops")]
pub(crate) struct ProgramOptions {
    /// Format of requests and replies [default: text for each, json for --define]
    #[arg(long, value_enum)]
    pub(crate) protocol: Option<ProtocolName>,

    /// Number of requests that are written before the reply to the oldest is read
    #[arg(long, value_name = "auto|N", default_value = "auto", value_parser = parse_depth)]
    pub(crate) depth: Depth,

    /// Kill a program that has not read its first request after this time
    #[arg(long, value_name = "SECS", default_value = "60", value_parser = units::positive_seconds)]
    pub(crate) start_timeout: Duration,

    /// Read replies from this descriptor; if it is not 1, standard output is redirected to standard error
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(RawFd).range(1..=1023))]
    pub(crate) reply_fd: RawFd,
}

/// Format of requests and replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProtocolName {
    /// A line of bytes, unchanged
    Text,
    /// One JSON value per line; replies are {"result": VALUE} or {"error": "message"}
    Json,
}

impl From<ProtocolName> for Protocol {
    fn from(name: ProtocolName) -> Protocol {
        match name {
            ProtocolName::Text => Protocol::Text,
            ProtocolName::Json => Protocol::Json,
        }
    }
}

fn parse_depth(text: &str) -> Result<Depth, String> {
    match text {
        "auto" => Ok(Depth::Auto),
        number => number
            .parse::<NonZeroU32>()
            .map(Depth::Fixed)
            .map_err(|_| "expected `auto` or a number above 0".to_owned()),
    }
}
