//! User-defined ops: `--define` and `runner each`.

mod args;
mod define;

pub(crate) use args::{EachArguments, ProgramOptions};
pub(crate) use define::{DefineError, Defined, check_programs};
