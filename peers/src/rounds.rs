//! Measuring in turns.

use std::error::Error;

pub use bench::rounds::{Series, alternate, median, quantile};

/// Anything may go wrong with a contender; the row then says what.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Somebody who can do the work of a row.
pub type Contender<'a> = bench::rounds::Contender<'a, Box<dyn Error>>;
