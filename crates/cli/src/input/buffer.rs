//! Read buffer of a stream: the bytes that have been read and not consumed.

use std::{io, mem};

use super::{element::Location, source::InputStream};

/// Size of a read in bytes. Lines that are read together are parsed together, so this also bounds the memory
/// of the parsed jobs of one chunk, which should fit into the cache of a core.
const READ_SIZE: usize = 32 * 1024;

/// Unconsumed bytes of a stream, with the line and column of the first one.
pub(crate) struct Buffer<R> {
    reader: R,
    bytes: Vec<u8>,
    /// Index of the first unconsumed byte.
    start: usize,
    ended: bool,
    /// Line of the first unconsumed byte, from 1.
    line: u64,
    /// Number of bytes between the start of that line and the first unconsumed byte.
    before: u64,
    read: u64,
}

impl<R: InputStream> Buffer<R> {
    pub(crate) fn new(reader: R) -> Buffer<R> {
        Buffer { reader, bytes: Vec::new(), start: 0, ended: false, line: 1, before: 0, read: 0 }
    }

    /// Returns the unconsumed bytes.
    pub(crate) fn unconsumed(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Number of bytes read from the stream.
    pub(crate) fn total_read(&self) -> u64 {
        self.read
    }

    /// Location of the first unconsumed byte.
    pub(crate) fn location(&self) -> Location {
        Location { line: self.line, column: self.before + 1 }
    }

    /// Returns whether the next read may block.
    pub(crate) fn may_wait(&self) -> bool {
        !self.ended && self.reader.may_wait()
    }

    /// Consumes `count` bytes.
    pub(crate) fn advance(&mut self, count: usize) {
        let used = &self.bytes[self.start..self.start + count];
        match memchr::memrchr(b'\n', used) {
            None => self.before += count as u64,
            Some(last) => {
                self.line += memchr::memchr_iter(b'\n', used).count() as u64;
                self.before = (count - last - 1) as u64;
            }
        }
        self.start += count;
    }

    /// Consumes bytes that do not count as columns, such as a byte order mark.
    pub(crate) fn skip_uncounted(&mut self, count: usize) {
        self.start += count;
    }

    /// Consumes and returns the first `count` bytes. The allocation of `recycled` is reused for the remaining
    /// bytes.
    pub(crate) fn take(&mut self, count: usize, mut recycled: Vec<u8>) -> Vec<u8> {
        let start = self.start;
        self.advance(count);
        recycled.clear();
        recycled.extend_from_slice(self.unconsumed());
        let mut taken = mem::replace(&mut self.bytes, recycled);
        self.start = 0;
        taken.truncate(start + count);
        taken.drain(..start);
        taken
    }

    /// Returns whether the unconsumed bytes start with `prefix`. Reads more bytes as long as they may.
    /// `before_read` as for [`fill`](Self::fill).
    pub(crate) fn starts_with(&mut self, prefix: &[u8], before_read: &mut dyn FnMut()) -> io::Result<bool> {
        while self.unconsumed().len() < prefix.len() && prefix.starts_with(self.unconsumed()) {
            if !self.fill(before_read)? {
                break;
            }
        }
        Ok(self.unconsumed().starts_with(prefix))
    }

    /// Reads more bytes and returns whether there were any. Calls `before_read` first if the read may block.
    pub(crate) fn fill(&mut self, before_read: &mut dyn FnMut()) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.reader.may_wait() {
            before_read();
        }
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        let length = self.bytes.len();
        // A text can be as long as --max-job-size allows, so the allocation can fail.
        self.bytes.try_reserve(READ_SIZE).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.bytes.resize(length + READ_SIZE, 0);
        let result = loop {
            match self.reader.read(&mut self.bytes[length..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        let count = *result.as_ref().unwrap_or(&0);
        self.bytes.truncate(length + count);
        self.read += count as u64;
        self.ended = count == 0;
        result.map(|count| count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_count_lines_and_bytes() {
        let mut buffer = Buffer::new(&b"ab\ncd\n\nef"[..]);
        assert!(buffer.fill(&mut || {}).unwrap());
        let location = |line, column| Location { line, column };
        assert_eq!(buffer.location(), location(1, 1));
        buffer.advance(1);
        assert_eq!(buffer.location(), location(1, 2));
        buffer.advance(6);
        assert_eq!((buffer.location(), buffer.unconsumed()), (location(4, 1), &b"ef"[..]));
        buffer.advance(1);
        assert_eq!(buffer.location(), location(4, 2));
        assert!(!buffer.fill(&mut || {}).unwrap());
        assert_eq!(buffer.unconsumed(), b"f");
    }

    #[test]
    fn take_consumes_bytes() {
        let mut buffer = Buffer::new(&b" ab\ncd"[..]);
        assert!(buffer.fill(&mut || {}).unwrap());
        buffer.advance(1);
        assert_eq!(buffer.take(3, vec![9; 5]), b"ab\n");
        assert_eq!((buffer.location(), buffer.unconsumed()), (Location { line: 2, column: 1 }, &b"cd"[..]));
    }
}
