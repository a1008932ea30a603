//! JSON LineScanner: a job on each line that is not blank. What has been read is cut after its last complete
//! line; the lines themselves are found where the [`Chunk`] is parsed, which may be another thread.

use super::{
    buffer::Buffer,
    chunk::Chunk,
    element::{Location, SplitError},
    source::Stream,
};

/// White space around a job's text that does not count as part of it, in bytes.
const BLANKS: usize = 64 * 1024;

/// The scanner of lines.
pub(crate) struct LineScanner {
    delimiter: u8,
    /// Blank lines count, and so does the white space around a text.
    whole: bool,
    /// Where in the unused bytes the search for a delimiter goes on.
    searched: usize,
    /// Where a line starts of which a part has been dropped because it is too long.
    dropped: Option<Location>,
}

/// What a read has brought.
pub(crate) enum ChunkRead {
    /// Complete lines.
    Chunk(Chunk),
    /// Not the end of a line.
    Incomplete,
    /// The end of the stream; all lines have been returned.
    End,
}

impl LineScanner {
    /// LineScanner of JSON.
    pub(crate) fn json() -> LineScanner {
        LineScanner::new(b'\n', false)
    }

    /// LineScanner as they stand, each up to a delimiter.
    pub(crate) fn whole(delimiter: u8) -> LineScanner {
        LineScanner::new(delimiter, true)
    }

    fn new(delimiter: u8, whole: bool) -> LineScanner {
        LineScanner { delimiter, whole, searched: 0, dropped: None }
    }

    /// All lines that are complete after at most one more read.
    pub(crate) fn next<R: Stream>(
        &mut self,
        buffer: &mut Buffer<R>,
        longest: usize,
        recycled: Vec<u8>,
    ) -> Result<ChunkRead, SplitError> {
        if !self.has_delimiter(buffer) {
            if buffer.unused().len() > longest.saturating_add(BLANKS) {
                self.dropped.get_or_insert(buffer.location());
                buffer.advance(buffer.unused().len());
            }
            self.searched = buffer.unused().len();
            if !buffer.fill(&mut || {})? {
                return Ok(self.last(buffer, longest, recycled));
            }
        }
        let unsearched = &buffer.unused()[self.searched..];
        // The rest of a line that is dropped ends with the first delimiter.
        let end = match self.dropped {
            Some(_) => memchr::memchr(self.delimiter, unsearched),
            None => memchr::memrchr(self.delimiter, unsearched),
        };
        let Some(end) = end else { return Ok(ChunkRead::Incomplete) };
        let count = self.searched + end + 1;
        Ok(ChunkRead::Chunk(self.chunk(buffer, count, longest, recycled)))
    }

    fn has_delimiter<R: Stream>(&self, buffer: &Buffer<R>) -> bool {
        memchr::memchr(self.delimiter, &buffer.unused()[self.searched..]).is_some()
    }

    /// What is left at the end of the stream.
    fn last<R: Stream>(&mut self, buffer: &mut Buffer<R>, longest: usize, recycled: Vec<u8>) -> ChunkRead {
        match buffer.unused().len() {
            0 if self.dropped.is_none() => ChunkRead::End,
            count => ChunkRead::Chunk(self.chunk(buffer, count, longest, recycled)),
        }
    }

    /// The first `count` unused bytes, which are complete lines.
    fn chunk<R: Stream>(
        &mut self,
        buffer: &mut Buffer<R>,
        count: usize,
        longest: usize,
        recycled: Vec<u8>,
    ) -> Chunk {
        self.searched = 0;
        if let Some(location) = self.dropped.take() {
            buffer.advance(count);
            return Chunk::too_long(location);
        }
        let location = buffer.location();
        let bytes = buffer.take(count, recycled);
        Chunk::new(bytes, location, (self.delimiter, self.whole), longest)
    }
}
