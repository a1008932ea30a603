//! Lines that were read together.

use super::element::{Location, is_blank};

/// Complete lines of a stream.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    /// Location of the first byte in the stream.
    location: Location,
    delimiter: u8,
    /// Whether lines are taken whole: blank lines are kept, and so is white space around a text.
    whole: bool,
    /// Maximum size of a job's text in bytes.
    max_text: usize,
    /// Whether the chunk represents a single line that was discarded while it was read, because it is too
    /// long.
    is_discarded: bool,
}

/// A line of a chunk, without its delimiter, and without surrounding white space unless lines are taken
/// whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkLine {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) is_too_long: bool,
}

impl Chunk {
    /// Creates a chunk of lines that end with `delimiter`. With `whole`, lines are not trimmed and blank
    /// lines are kept.
    pub(super) fn new(
        bytes: Vec<u8>,
        location: Location,
        (delimiter, whole): (u8, bool),
        max_text: usize,
    ) -> Chunk {
        Chunk { bytes, location, delimiter, whole, max_text, is_discarded: false }
    }

    /// Creates a chunk for a line that starts at `location` and was too long to be kept.
    pub(super) fn too_long(location: Location) -> Chunk {
        Chunk { location, is_discarded: true, ..Chunk::default() }
    }

    /// Number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// All bytes of the chunk; lines are ranges of them.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the allocation for reuse.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn text(&self, line: &ChunkLine) -> &[u8] {
        &self.bytes[line.start..line.end]
    }

    pub(crate) fn lines(&self) -> ChunkLines<'_> {
        let ends = memchr::memchr_iter(self.delimiter, &self.bytes);
        ChunkLines { chunk: self, ends, at: 0, is_discarded: self.is_discarded }
    }

    /// Returns a finder of the locations of bytes in the stream.
    pub(crate) fn locations(&self) -> Locations<'_> {
        Locations { bytes: &self.bytes, at: 0, location: self.location }
    }
}

/// Iterator of the lines of a chunk.
pub(crate) struct ChunkLines<'a> {
    chunk: &'a Chunk,
    ends: memchr::Memchr<'a>,
    /// Start of the next line.
    at: usize,
    is_discarded: bool,
}

impl ChunkLines<'_> {
    fn line(&self, start: usize, end: usize) -> ChunkLine {
        let (start, end) = match self.chunk.whole {
            true => (start, end),
            false => trimmed(&self.chunk.bytes, start, end),
        };
        ChunkLine { start, end, is_too_long: end - start > self.chunk.max_text }
    }
}

impl Iterator for ChunkLines<'_> {
    type Item = ChunkLine;

    #[inline]
    fn next(&mut self) -> Option<ChunkLine> {
        if std::mem::take(&mut self.is_discarded) {
            return Some(ChunkLine { start: 0, end: 0, is_too_long: true });
        }
        let length = self.chunk.bytes.len();
        while self.at < length {
            // Only the last line of a stream may lack a delimiter.
            let end = self.ends.next().unwrap_or(length);
            let line = self.line(self.at, end);
            self.at = end + 1;
            if self.chunk.whole || line.start < line.end {
                return Some(line);
            }
        }
        None
    }
}

/// Returns the range of a line without surrounding white space.
#[inline]
fn trimmed(bytes: &[u8], mut start: usize, mut end: usize) -> (usize, usize) {
    while start < end && is_blank(bytes[start]) {
        start += 1;
    }
    while start < end && is_blank(bytes[end - 1]) {
        end -= 1;
    }
    (start, end)
}

/// Finder of locations in the stream, for ascending offsets.
pub(crate) struct Locations<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Location of the byte at `at`.
    location: Location,
}

impl Locations<'_> {
    /// Returns the location of a byte. Offsets must be ascending.
    pub(crate) fn of(&mut self, offset: usize) -> Location {
        let between = &self.bytes[self.at..offset];
        self.location = self.location.inside(between, between.len());
        self.at = offset;
        self.location
    }
}
