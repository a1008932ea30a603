//! What processes cost on this machine, measured.

pub mod report;
