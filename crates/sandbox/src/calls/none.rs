//! Architectures for which there are no lists of system calls.

use sys::confinement::Instruction;

use crate::{Sandbox, Subject};

/// Whether there are lists of system calls for this architecture.
pub(crate) const ARE_KNOWN: bool = false;

/// Returns no filters.
pub(crate) fn filters(_: Subject, _: &Sandbox) -> Vec<Vec<Instruction>> {
    Vec::new()
}
