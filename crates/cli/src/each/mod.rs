//! User-defined ops: `--define` and `runner each`.

mod define;

pub(crate) use define::{Defined, check_programs};
