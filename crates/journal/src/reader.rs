//! Reads records anywhere in a file through a window, so that neighbours cost no further call of the system.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use memchr::memmem;

use crate::layout::{self, HEADER, MARK, Record};

const WINDOW: u64 = 64 * 1024;

/// A window on the first `length` bytes of a file.
pub(crate) struct Reader {
    file: Arc<File>,
    length: u64,
    /// Where the window starts.
    start: u64,
    bytes: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(file: Arc<File>, length: u64) -> Reader {
        Reader { file, length, start: 0, bytes: Vec::new() }
    }

    /// The whole record at `offset` and its length; `None` if there is none.
    pub(crate) fn record(&mut self, offset: u64) -> io::Result<Option<(Record<'_>, u64)>> {
        let Some(header) = self.slice(offset, HEADER as u64)? else { return Ok(None) };
        let Some(length) = layout::record_length(header, offset) else { return Ok(None) };
        let Some(bytes) = self.slice(offset, length)? else { return Ok(None) };
        Ok(layout::record(bytes).map(|record| (record, length)))
    }

    /// Where the record at `offset` ends according to its header, if the header is whole and belongs there.
    pub(crate) fn promised_end(&mut self, offset: u64) -> io::Result<Option<u64>> {
        let header = self.slice(offset, HEADER as u64)?;
        Ok(header.and_then(|header| layout::record_length(header, offset)).map(|length| offset + length))
    }

    /// The header at `offset`, if the file is long enough.
    pub(crate) fn header(&mut self, offset: u64) -> io::Result<Option<[u8; HEADER]>> {
        Ok(self.slice(offset, HEADER as u64)?.and_then(|bytes| bytes.try_into().ok()))
    }

    /// Length of the whole record at `offset`, wherever it was written; `None` if its text is damaged or there is none.
    pub(crate) fn intact_length(&mut self, offset: u64) -> io::Result<Option<u64>> {
        let header = self.slice(offset, HEADER as u64)?;
        let Some(length) = header.and_then(layout::unchecked_length) else { return Ok(None) };
        let bytes = self.slice(offset, length)?;
        Ok(bytes.and_then(layout::record).map(|_| length))
    }

    /// Places of marks in the window that starts at `from`, and where the next window starts; `None` at the end.
    pub(crate) fn marks(&mut self, from: u64) -> io::Result<Option<(Vec<u64>, u64)>> {
        if from >= self.length {
            return Ok(None);
        }
        let count = (self.length - from).min(WINDOW);
        let part = self.slice(from, count)?.unwrap_or_default();
        let marks = memmem::find_iter(part, MARK).map(|at| from + at as u64).collect();
        // A mark may lie across the end of the window.
        let next = from + count.saturating_sub(MARK.len() as u64 - 1).max(1);
        Ok(Some((marks, next)))
    }

    /// So many bytes from `offset` on; `None` if the file has not so many.
    pub(crate) fn slice(&mut self, offset: u64, count: u64) -> io::Result<Option<&[u8]>> {
        let Some(end) = offset.checked_add(count).filter(|&end| end <= self.length) else { return Ok(None) };
        if offset < self.start || end > self.start + self.bytes.len() as u64 {
            self.move_to(offset, count)?;
        }
        // Fits: the window is in memory.
        let from = (offset - self.start) as usize;
        Ok(self.bytes.get(from..from + count as usize))
    }

    fn move_to(&mut self, offset: u64, count: u64) -> io::Result<()> {
        // Positions come almost in order, and whoever steps back a little will go forth again.
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
