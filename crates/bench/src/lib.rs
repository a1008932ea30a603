//! What processes cost on this machine, measured.

pub mod pictures;
pub mod report;
