//! Parses the text of a job into a job, or into an error with a location.

mod command;
mod error;
mod fast_path;
mod fields;
mod job;
mod op;
mod request;
mod value;

pub(crate) use error::ParseError;
pub(crate) use job::{ParseOptions, ParsedJob, parse, parse_all};
pub(crate) use op::{DefinedOp, Op, nearest};
