//! Splits a stream into chunks of complete lines. A read is cut after its last complete line. The lines
//! within a [`Chunk`] are found where it is parsed, which may be another thread.

use super::{
    buffer::Buffer,
    chunk::Chunk,
    element::{Location, SplitError},
    source::InputStream,
};

/// Allowance for white space around a job's text, in bytes. Beyond it a line is discarded while it is read.
const MAX_WHITE_SPACE: usize = 64 * 1024;

/// Scanner of lines.
pub(crate) struct LineScanner {
    delimiter: u8,
    /// Whether lines are taken whole: blank lines are kept, and so is white space around a text.
    whole: bool,
    /// Offset in the unconsumed bytes from which the search for a delimiter continues.
    searched: usize,
    /// Location of a line that is being discarded because it is too long.
    discarded: Option<Location>,
}

/// Result of a read.
pub(crate) enum ChunkRead {
    /// Complete lines.
    Chunk(Chunk),
    /// No complete line.
    Incomplete,
    /// End of the stream; all lines have been returned.
    End,
}

impl LineScanner {
    /// Scanner of JSON Lines.
    pub(crate) fn json() -> LineScanner {
        LineScanner::new(b'\n', false)
    }

    /// Scanner of untrimmed lines that end with `delimiter`.
    pub(crate) fn whole(delimiter: u8) -> LineScanner {
        LineScanner::new(delimiter, true)
    }

    fn new(delimiter: u8, whole: bool) -> LineScanner {
        LineScanner { delimiter, whole, searched: 0, discarded: None }
    }

    /// Returns all lines that are complete after at most one more read.
    pub(crate) fn next<R: InputStream>(
        &mut self,
        buffer: &mut Buffer<R>,
        max_text: usize,
        recycled: Vec<u8>,
    ) -> Result<ChunkRead, SplitError> {
        if !self.has_delimiter(buffer) {
            if buffer.unconsumed().len() > max_text.saturating_add(MAX_WHITE_SPACE) {
                self.discarded.get_or_insert(buffer.location());
                buffer.advance(buffer.unconsumed().len());
            }
            self.searched = buffer.unconsumed().len();
            if !buffer.fill(&mut || {})? {
                return Ok(self.last(buffer, max_text, recycled));
            }
        }
        let unsearched = &buffer.unconsumed()[self.searched..];
        // The rest of a discarded line ends at the first delimiter.
        let end = match self.discarded {
            Some(_) => memchr::memchr(self.delimiter, unsearched),
            None => memchr::memrchr(self.delimiter, unsearched),
        };
        let Some(end) = end else { return Ok(ChunkRead::Incomplete) };
        let count = self.searched + end + 1;
        Ok(ChunkRead::Chunk(self.chunk(buffer, count, max_text, recycled)))
    }

    fn has_delimiter<R: InputStream>(&self, buffer: &Buffer<R>) -> bool {
        memchr::memchr(self.delimiter, &buffer.unconsumed()[self.searched..]).is_some()
    }

    /// Returns the remaining lines at the end of the stream.
    fn last<R: InputStream>(
        &mut self,
        buffer: &mut Buffer<R>,
        max_text: usize,
        recycled: Vec<u8>,
    ) -> ChunkRead {
        match buffer.unconsumed().len() {
            0 if self.discarded.is_none() => ChunkRead::End,
            count => ChunkRead::Chunk(self.chunk(buffer, count, max_text, recycled)),
        }
    }

    /// Consumes the first `count` bytes, which are complete lines.
    fn chunk<R: InputStream>(
        &mut self,
        buffer: &mut Buffer<R>,
        count: usize,
        max_text: usize,
        recycled: Vec<u8>,
    ) -> Chunk {
        self.searched = 0;
        if let Some(location) = self.discarded.take() {
            buffer.advance(count);
            return Chunk::too_long(location);
        }
        let location = buffer.location();
        let bytes = buffer.take(count, recycled);
        Chunk::new(bytes, location, (self.delimiter, self.whole), max_text)
    }
}
