//! From a job's text to a job, or to what is wrong with it and where.

mod command;
mod fields;
mod flaw;
mod job;
mod op;
mod plain;
mod request;
mod value;

pub(crate) use flaw::Flaw;
pub(crate) use job::{ParsedJob, Rules, parse, parse_all};
pub(crate) use op::{DefinedOp, Op, nearest};
