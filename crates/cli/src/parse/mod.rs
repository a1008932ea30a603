//! From a job's text to a job, or to what is wrong with it and where.

mod fields;
mod flaw;
mod job;
mod op;
mod value;

pub(crate) use flaw::Flaw;
pub(crate) use job::{ParsedJob, Rules, parse};
pub(crate) use op::Op;
