//! Reading: files and standard input, cut into the texts of jobs while they are being read.

mod array;
mod buffer;
mod lines;
mod piece;
mod source;
mod split;

pub(crate) use piece::{Piece, Place, SplitError};
pub(crate) use source::{Source, open_all};
pub(crate) use split::Splitter;
