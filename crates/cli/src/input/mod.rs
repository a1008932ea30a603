//! Reading: files and standard input, cut into the texts of jobs while they are being read.

mod array;
mod buffer;
mod chunk;
mod lines;
mod piece;
mod source;
mod split;

pub(crate) use chunk::Chunk;
pub(crate) use lines::Next;
pub(crate) use piece::{BYTE_ORDER_MARK, Piece, Place, SplitError, UTF_16_MARKS};
pub(crate) use source::{Source, Stream, open_all};
pub(crate) use split::{Chunks, Elements, Splitter, Texts};
