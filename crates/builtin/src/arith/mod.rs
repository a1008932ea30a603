//! Primality and factor finding, for one machine word and for any size.

pub(crate) mod big;
mod montgomery;
pub(crate) mod word;
