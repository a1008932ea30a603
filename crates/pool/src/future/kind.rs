//! Kinds of outcomes.

/// What an outcome is, without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Succeeded,
    Failed,
    Cancelled,
}
