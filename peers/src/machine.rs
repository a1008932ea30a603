//! Where it was measured.

pub use bench::machine::{load, processor};
