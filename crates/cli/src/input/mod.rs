//! Input: splits files and standard input into the texts of jobs while they are being read.

mod array;
mod buffer;
mod chunk;
mod element;
mod lines;
mod source;
mod split;

pub(crate) use chunk::Chunk;
pub(crate) use element::{BYTE_ORDER_MARK, Element, Location, SplitError, UTF_16_MARKS};
pub(crate) use lines::ChunkRead;
pub(crate) use source::{InputSource, InputStream, open_all};
pub(crate) use split::{Chunks, Elements, Splitter, Texts};
