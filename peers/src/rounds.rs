//! Measurements of contenders in turns.

use std::error::Error;

pub use bench::rounds::{Series, alternate, median, quantile};

/// Result of a measurement; the row reports the error.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A contender of a row.
pub type Contender<'a> = bench::rounds::Contender<'a, Box<dyn Error>>;
