//! User-defined ops: `--define` and `runner each`.

mod args;
mod define;

pub(crate) use args::{EachArguments, ProgramOptions};
pub(crate) use define::{Defined, check_programs};
