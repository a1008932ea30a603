//! Lines that were read together.

use super::element::{Location, is_blank};

/// Complete lines of a stream.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    /// Where the first byte stands in the stream.
    location: Location,
    delimiter: u8,
    /// Blank lines count, and so does the white space around a text.
    whole: bool,
    /// The longest text of a job.
    longest: usize,
    /// The chunk stands for a single line that was dropped while it was read.
    is_dropped: bool,
}

/// A line, without its delimiter and mostly without white space around it: a part of its chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) is_too_long: bool,
}

impl Chunk {
    /// A chunk of `delimiter` and whether lines are taken `whole`.
    pub(super) fn new(
        bytes: Vec<u8>,
        location: Location,
        (delimiter, whole): (u8, bool),
        longest: usize,
    ) -> Chunk {
        Chunk { bytes, location, delimiter, whole, longest, is_dropped: false }
    }

    /// A line that starts there and was too long to be kept.
    pub(super) fn too_long(location: Location) -> Chunk {
        Chunk { location, is_dropped: true, ..Chunk::default() }
    }

    /// Number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// All bytes, in which lines have their locations.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The memory of the chunk, to be used for another.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn text(&self, line: &Line) -> &[u8] {
        &self.bytes[line.start..line.end]
    }

    pub(crate) fn lines(&self) -> ChunkLines<'_> {
        let ends = memchr::memchr_iter(self.delimiter, &self.bytes);
        ChunkLines { chunk: self, ends, at: 0, is_dropped: self.is_dropped }
    }

    /// Finds the locations of bytes in the stream.
    pub(crate) fn locations(&self) -> Locations<'_> {
        Locations { bytes: &self.bytes, at: 0, location: self.location }
    }
}

/// The lines of a chunk, in order.
pub(crate) struct ChunkLines<'a> {
    chunk: &'a Chunk,
    ends: memchr::Memchr<'a>,
    /// Where the next line starts.
    at: usize,
    is_dropped: bool,
}

impl ChunkLines<'_> {
    fn line(&self, start: usize, end: usize) -> Line {
        let (start, end) = match self.chunk.whole {
            true => (start, end),
            false => trimmed(&self.chunk.bytes, start, end),
        };
        Line { start, end, is_too_long: end - start > self.chunk.longest }
    }
}

impl Iterator for ChunkLines<'_> {
    type Item = Line;

    #[inline]
    fn next(&mut self) -> Option<Line> {
        if std::mem::take(&mut self.is_dropped) {
            return Some(Line { start: 0, end: 0, is_too_long: true });
        }
        let length = self.chunk.bytes.len();
        while self.at < length {
            // Only the last line of a stream may have no delimiter.
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

/// Where a line starts and ends without its white space.
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

/// Locations in the stream of bytes that are asked for in ascending order.
pub(crate) struct Locations<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The location of the byte at `at`.
    location: Location,
}

impl Locations<'_> {
    /// The location of a byte, not before one that has been asked for.
    pub(crate) fn of(&mut self, offset: usize) -> Location {
        let between = &self.bytes[self.at..offset];
        self.location = self.location.inside(between, between.len());
        self.at = offset;
        self.location
    }
}
