//! Parses the text of a job into a job, or into an error with a location.

mod command;
mod error;
mod fast_path;
mod fields;
mod job;
mod op;
mod options;
mod parsed_job;
mod request;
mod value;

pub(crate) use error::ParseError;
pub(crate) use job::{parse, parse_all};
pub(crate) use op::{DefinedOp, Op, nearest};
pub(crate) use options::ParseOptions;
pub(crate) use parsed_job::ParsedJob;
