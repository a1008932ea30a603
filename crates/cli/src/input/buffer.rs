//! A window on a stream: what has been read and not been used yet.

use std::io::{self, Read};

const CHUNK: usize = 64 * 1024;

/// Bytes of a stream from some position on, and where they stand in lines and columns.
pub(crate) struct Buffer<R> {
    reader: R,
    bytes: Vec<u8>,
    /// Where the unused bytes start.
    start: usize,
    ended: bool,
    /// The line that the unused bytes start in, counted from 1.
    line: u64,
    /// Bytes between the start of that line and the unused bytes.
    before: u64,
    read: u64,
}

impl<R: Read> Buffer<R> {
    pub(crate) fn new(reader: R) -> Buffer<R> {
        Buffer { reader, bytes: Vec::new(), start: 0, ended: false, line: 1, before: 0, read: 0 }
    }

    /// The bytes that have been read and not been used.
    pub(crate) fn unused(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// How many bytes have been read from the stream.
    pub(crate) fn total_read(&self) -> u64 {
        self.read
    }

    /// Line and column of the first unused byte, both from 1.
    pub(crate) fn place(&self) -> (u64, u64) {
        (self.line, self.before + 1)
    }

    /// Uses up bytes, which are not to be looked at again.
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

    /// Uses up bytes that stand before the first column, such as a byte order mark.
    pub(crate) fn skip_unseen(&mut self, count: usize) {
        self.start += count;
    }

    /// Whether the unused bytes start with these. Reads on while they may; `before_read` is called before that can wait.
    pub(crate) fn starts_with(&mut self, prefix: &[u8], before_read: &mut dyn FnMut()) -> io::Result<bool> {
        while self.unused().len() < prefix.len() && prefix.starts_with(self.unused()) {
            before_read();
            if !self.fill()? {
                break;
            }
        }
        Ok(self.unused().starts_with(prefix))
    }

    /// Reads more, and says whether there was any. Waits if the stream makes it wait.
    pub(crate) fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        let length = self.bytes.len();
        // A text may be as long as --max-job-size allows.
        self.bytes.try_reserve(CHUNK).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.bytes.resize(length + CHUNK, 0);
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
    fn places_are_counted_in_lines_and_bytes() {
        let mut buffer = Buffer::new(&b"ab\ncd\n\nef"[..]);
        assert!(buffer.fill().unwrap());
        assert_eq!(buffer.place(), (1, 1));
        buffer.advance(1);
        assert_eq!(buffer.place(), (1, 2));
        buffer.advance(6);
        assert_eq!((buffer.place(), buffer.unused()), ((4, 1), &b"ef"[..]));
        buffer.advance(1);
        assert_eq!(buffer.place(), (4, 2));
        assert!(!buffer.fill().unwrap());
        assert_eq!(buffer.unused(), b"f");
    }
}
