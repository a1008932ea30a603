//! JSON Lines: a job on each line that is not blank.

use std::io::Read;

use super::{
    buffer::Buffer,
    piece::{Piece, Place, SplitError, is_blank},
};

/// So much white space around a job's text is not held against it.
const BLANKS: usize = 64 * 1024;

/// The scanner of lines: where in the unused bytes the search for a line's end goes on.
pub(crate) struct Lines {
    delimiter: u8,
    /// Blank lines count, and so does the white space around a text.
    whole: bool,
    searched: usize,
    /// Bytes of the current line that were dropped because it is too long.
    dropped: bool,
    /// Where a line that is being dropped started.
    place: Option<Place>,
    /// The line that was handed out last, still to be used up.
    handed_out: usize,
}

impl Lines {
    /// Lines of JSON.
    pub(crate) fn of_json() -> Lines {
        Lines::new(b'\n', false)
    }

    /// Lines as they stand, each up to a delimiter.
    pub(crate) fn whole(delimiter: u8) -> Lines {
        Lines::new(delimiter, true)
    }

    fn new(delimiter: u8, whole: bool) -> Lines {
        Lines { delimiter, whole, searched: 0, dropped: false, place: None, handed_out: 0 }
    }

    /// The next line; `before_read` is called before the stream can make us wait.
    pub(crate) fn next<'a, R: Read>(
        &mut self,
        buffer: &'a mut Buffer<R>,
        longest: usize,
        before_read: &mut dyn FnMut(),
    ) -> Result<Option<Piece<'a>>, SplitError> {
        buffer.advance(std::mem::take(&mut self.handed_out));
        loop {
            let unused = buffer.unused();
            let found = memchr::memchr(self.delimiter, &unused[self.searched..]).map(|at| self.searched + at);
            let length = match found {
                Some(at) => at,
                None if unused.len() > longest + BLANKS => {
                    self.drop_part(buffer);
                    continue;
                }
                None => {
                    self.searched = unused.len();
                    before_read();
                    if buffer.fill()? {
                        continue;
                    }
                    buffer.unused().len()
                }
            };
            self.searched = 0;
            let used = length + usize::from(found.is_some());
            if self.dropped {
                (self.dropped, self.handed_out) = (false, used);
                return Ok(self.place.take().map(|place| Piece::TooLong { place }));
            }
            let (line, column) = buffer.place();
            let (start, end) = if self.whole { (0, length) } else { trimmed(&buffer.unused()[..length]) };
            let is_end = found.is_none() && length == 0;
            if is_end || (start == end && !self.whole) {
                buffer.advance(used);
                if found.is_none() {
                    return Ok(None);
                }
                continue;
            }
            let place = Place { line, column: column + start as u64 };
            self.handed_out = used;
            if end - start > longest {
                return Ok(Some(Piece::TooLong { place }));
            }
            return Ok(Some(Piece::Text { text: &buffer.unused()[start..end], place }));
        }
    }

    fn drop_part<R: Read>(&mut self, buffer: &mut Buffer<R>) {
        if !self.dropped {
            let (line, column) = buffer.place();
            (self.dropped, self.place) = (true, Some(Place { line, column }));
        }
        buffer.advance(buffer.unused().len());
        self.searched = 0;
    }
}

/// Where a line starts and ends without its white space.
fn trimmed(line: &[u8]) -> (usize, usize) {
    let is_text = |&byte: &u8| !is_blank(byte);
    let start = line.iter().position(is_text).unwrap_or(line.len());
    let end = line.iter().rposition(is_text).map_or(start, |last| last + 1);
    (start, end)
}
