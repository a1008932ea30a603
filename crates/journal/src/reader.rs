//! Random access to the records of a file through a buffer, so that neighbouring records need no further
//! system call.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use memchr::memmem;

use crate::layout::{self, HEADER, MARK, Record};

/// Size of the buffer in bytes, unless a record is larger.
const WINDOW: u64 = 64 * 1024;

/// A buffered window on the first `length` bytes of a file.
pub(crate) struct Reader {
    file: Arc<File>,
    length: u64,
    /// Offset of the window.
    start: u64,
    bytes: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(file: Arc<File>, length: u64) -> Reader {
        Reader { file, length, start: 0, bytes: Vec::new() }
    }

    /// Returns the record at `offset` and its length, or `None` if there is no complete and valid one.
    pub(crate) fn record(&mut self, offset: u64) -> io::Result<Option<(Record<'_>, u64)>> {
        let Some(header) = self.slice(offset, HEADER as u64)? else { return Ok(None) };
        let Some(length) = layout::record_length(header, offset) else { return Ok(None) };
        let Some(bytes) = self.slice(offset, length)? else { return Ok(None) };
        Ok(layout::record(bytes).map(|record| (record, length)))
    }

    /// Returns the end of the record at `offset` according to its header, or `None` if the header is not
    /// valid there.
    pub(crate) fn expected_end(&mut self, offset: u64) -> io::Result<Option<u64>> {
        let header = self.slice(offset, HEADER as u64)?;
        Ok(header.and_then(|header| layout::record_length(header, offset)).map(|length| offset + length))
    }

    /// Returns the header at `offset`, without any check, or `None` if the file is too short.
    pub(crate) fn header(&mut self, offset: u64) -> io::Result<Option<[u8; HEADER]>> {
        Ok(self.slice(offset, HEADER as u64)?.and_then(|bytes| bytes.try_into().ok()))
    }

    /// Returns the length of the record at `offset`, whatever the offset at which it was written; `None` if
    /// there is none or its text is damaged.
    pub(crate) fn intact_length(&mut self, offset: u64) -> io::Result<Option<u64>> {
        let header = self.slice(offset, HEADER as u64)?;
        let Some(length) = header.and_then(layout::unchecked_length) else { return Ok(None) };
        let bytes = self.slice(offset, length)?;
        Ok(bytes.and_then(layout::record).map(|_| length))
    }

    /// Returns the offsets of the record marks in the window that starts at `from`, and the start of the next
    /// window; `None` at the end of the file.
    pub(crate) fn marks(&mut self, from: u64) -> io::Result<Option<(Vec<u64>, u64)>> {
        if from >= self.length {
            return Ok(None);
        }
        let count = (self.length - from).min(WINDOW);
        let part = self.slice(from, count)?.unwrap_or_default();
        let marks = memmem::find_iter(part, MARK).map(|at| from + at as u64).collect();
        // The windows overlap, because a mark may cross the end of the window.
        let next = from + count.saturating_sub(MARK.len() as u64 - 1).max(1);
        Ok(Some((marks, next)))
    }

    /// Returns `count` bytes at `offset`, or `None` if the file is too short.
    pub(crate) fn slice(&mut self, offset: u64, count: u64) -> io::Result<Option<&[u8]>> {
        let Some(end) = offset.checked_add(count).filter(|&end| end <= self.length) else { return Ok(None) };
        if offset < self.start || end > self.start + self.bytes.len() as u64 {
            self.move_window(offset, count)?;
        }
        // Does not overflow: the window is in memory.
        let from = (offset - self.start) as usize;
        Ok(self.bytes.get(from..from + count as usize))
    }

    fn move_window(&mut self, offset: u64, count: u64) -> io::Result<()> {
        // Records are read almost in order: after a small step backwards, reading continues forwards from
        // there.
        let start = if offset < self.start { offset.saturating_sub(WINDOW / 2) } else { offset };
        let length = (offset - start + count).max(WINDOW).min(self.length - start) as usize;
        self.bytes.clear();
        if self.bytes.capacity() / 4 > length {
            self.bytes.shrink_to(length);
        }
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.resize(length, 0);
        self.file.read_exact_at(&mut bytes, start)?;
        (self.start, self.bytes) = (start, bytes);
        Ok(())
    }
}
