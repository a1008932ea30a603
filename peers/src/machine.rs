//! Information about the machine.

pub use bench::machine::{load, processor};
