//! A job for each item of an iterator.

mod feed;
mod ordered;
mod unordered;

pub use ordered::{Map, Outputs};
pub use unordered::{MapUnordered, OutputsUnordered};
