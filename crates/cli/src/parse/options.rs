//! Settings of the parser of jobs.

use super::op::{DefinedOp, Op};

/// Settings of the parser.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParseOptions {
    /// Op of jobs that do not name one (`--op`).
    pub(crate) default_op: Option<Op>,
    /// Maximum number of digits of an integer.
    pub(crate) max_digits: usize,
    /// User-defined ops.
    pub(crate) defined: &'static [DefinedOp],
    /// Op whose program gets each text as a request (`runner each`).
    pub(crate) each: Option<&'static DefinedOp>,
}

impl ParseOptions {
    /// Settings without user-defined ops.
    pub(crate) const fn new(default_op: Option<Op>, max_digits: usize) -> ParseOptions {
        ParseOptions { default_op, max_digits, defined: &[], each: None }
    }

    /// Returns the names of the user-defined ops.
    pub(crate) fn programs(&self) -> impl Iterator<Item = &'static str> {
        self.defined.iter().map(|op| op.name.as_str())
    }
}
