//! Measuring in turns, where anything may go wrong with a contender.

use std::error::Error;

pub(crate) use bench::rounds::{Series, alternate, median, quantile};

/// Anything may go wrong with a contender; the row then says what.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Somebody who can do the work of a row.
pub(crate) type Contender<'a> = bench::rounds::Contender<'a, Box<dyn Error>>;
