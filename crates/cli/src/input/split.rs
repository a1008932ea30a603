//! Cuts a stream into the texts of jobs.

use std::io::Read;

use super::{
    array::Array,
    buffer::Buffer,
    lines::Lines,
    piece::{Piece, SplitError},
};
use crate::args::Format;

enum Scanner {
    /// Not decided before the first bytes are there; with a default operation a bracket alone decides nothing.
    Undecided {
        format: Format,
        bare_values: bool,
    },
    Lines(Lines),
    Array(Array),
}

/// Cuts one stream into the texts of jobs.
pub(crate) struct Splitter<R> {
    buffer: Buffer<R>,
    scanner: Scanner,
    longest: usize,
}

impl<R: Read> Splitter<R> {
    /// A splitter for texts of up to `longest` bytes. `bare_values`: an array may itself be a job.
    pub(crate) fn new(reader: R, format: Format, bare_values: bool, longest: usize) -> Splitter<R> {
        let scanner = Scanner::Undecided { format, bare_values };
        Splitter { buffer: Buffer::new(reader), scanner, longest }
    }

    /// How many bytes have been read.
    pub(crate) fn total_read(&self) -> u64 {
        self.buffer.total_read()
    }

    /// Whether the texts are elements of an array, which the first bytes tell. `before_read` as for [`next`](Self::next).
    pub(crate) fn is_array(&mut self, before_read: &mut dyn FnMut()) -> Result<bool, SplitError> {
        if let Scanner::Undecided { format, bare_values } = self.scanner {
            self.scanner = self.decide(format, bare_values, before_read)?;
        }
        Ok(matches!(self.scanner, Scanner::Array(_)))
    }

    /// The next text, or `None` at the end. `before_read` is called before the stream can make us wait.
    pub(crate) fn next(&mut self, before_read: &mut dyn FnMut()) -> Result<Option<Piece<'_>>, SplitError> {
        self.is_array(before_read)?;
        match &mut self.scanner {
            Scanner::Lines(lines) => lines.next(&mut self.buffer, self.longest, before_read),
            Scanner::Array(array) => array.next(&mut self.buffer, self.longest, before_read),
            Scanner::Undecided { .. } => Ok(None),
        }
    }

    fn decide(
        &mut self,
        format: Format,
        bare_values: bool,
        before_read: &mut dyn FnMut(),
    ) -> Result<Scanner, SplitError> {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        while self.buffer.unused().len() < MARK.len() && MARK.starts_with(self.buffer.unused()) {
            before_read();
            if !self.buffer.fill()? {
                break;
            }
        }
        if self.buffer.unused().starts_with(MARK) {
            self.buffer.skip_unseen(MARK.len());
        }
        let array = match format {
            Format::Lines => false,
            Format::Array => true,
            Format::Auto => match self.visible(0, before_read)? {
                Some((at, b'[')) => !bare_values || self.opens_jobs(at + 1, before_read)?,
                _ => false,
            },
        };
        Ok(if array { Scanner::Array(Array::default()) } else { Scanner::Lines(Lines::default()) })
    }

    /// Whether what follows an opening bracket belongs to an array of jobs rather than to a bare value.
    fn opens_jobs(&mut self, from: usize, before_read: &mut dyn FnMut()) -> Result<bool, SplitError> {
        Ok(matches!(self.visible(from, before_read)?, Some((_, b'[' | b'{' | b']'))))
    }

    /// The first unused byte from an offset on that is not white space, and where it is. Leading white space is
    /// used up, so that any amount of it can be passed.
    fn visible(
        &mut self,
        from: usize,
        before_read: &mut dyn FnMut(),
    ) -> Result<Option<(usize, u8)>, SplitError> {
        let mut at = from;
        loop {
            if let Some(&byte) = self.buffer.unused().get(at) {
                if !byte.is_ascii_whitespace() {
                    return Ok(Some((at, byte)));
                }
                if at == 0 {
                    self.buffer.advance(1);
                } else {
                    at += 1;
                }
                continue;
            }
            if at > self.longest {
                return Ok(None);
            }
            before_read();
            if !self.buffer.fill()? {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io;

    /// Hands out a few bytes at a time, so that every boundary is met.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    /// All pieces as `line:column text`, and how it ended.
    fn pieces(input: &[u8], format: Format, bare: bool, step: usize) -> Vec<String> {
        let mut splitter = Splitter::new(Dribble(input, step), format, bare, 20);
        let mut found = Vec::new();
        loop {
            match splitter.next(&mut || {}) {
                Ok(Some(Piece::Text { text, place })) => {
                    let text = String::from_utf8_lossy(text);
                    found.push(format!("{}:{} {text}", place.line, place.column));
                }
                Ok(Some(Piece::TooLong { place })) => {
                    found.push(format!("{}:{} too long", place.line, place.column));
                }
                Ok(None) => return found,
                Err(SplitError::Syntax { place, message }) => {
                    found.push(format!("{}:{} {message}", place.line, place.column));
                    return found;
                }
                Err(error) => {
                    found.push(format!("{error:?}"));
                    return found;
                }
            }
        }
    }

    fn auto(input: &str) -> Vec<String> {
        let whole = pieces(input.as_bytes(), Format::Auto, false, usize::MAX);
        for step in 1..8 {
            assert_eq!(pieces(input.as_bytes(), Format::Auto, false, step), whole, "{step} bytes at a time");
        }
        whole
    }

    #[test]
    fn lines() {
        assert_eq!(auto(""), [""; 0]);
        assert_eq!(auto(" \r\n\t\n"), [""; 0]);
        assert_eq!(auto("{a}\n\n  {b}\r\n{c}"), ["1:1 {a}", "3:3 {b}", "4:1 {c}"]);
        assert_eq!(auto("\u{feff}{a}\n"), ["1:1 {a}"]);
        assert_eq!(
            auto("123456789012345678901\n12345678901234567890\n"),
            ["1:1 too long", "2:1 12345678901234567890"]
        );
        assert_eq!(auto(&format!("{}\n{{a}}", "x".repeat(300_000))), ["1:1 too long", "2:1 {a}"]);
    }

    #[test]
    fn arrays() {
        assert_eq!(auto(" [ ] \n"), [""; 0]);
        assert_eq!(auto("[{a},\n [1,\"],[\\\"\"] , 3]"), ["1:2 {a}", "2:2 [1,\"],[\\\"\"]", "2:16 3"]);
        assert_eq!(auto("[1,2"), ["1:2 1", "1:5 the array has no end"]);
        assert_eq!(auto("[1,]"), ["1:2 1", "1:4 expected an element"]);
        assert_eq!(auto("[,]"), ["1:2 expected an element"]);
        assert_eq!(auto("[1}"), ["1:2 1", "1:3 expected `,` or `]`"]);
        assert_eq!(auto("[1]\n2"), ["1:2 1", "2:1 text after the end of the array"]);
        assert_eq!(auto("[\"12345678901234567890\",2]"), ["1:2 too long", "1:25 2"]);
        assert_eq!(pieces(b"{a}", Format::Array, false, 9), ["NotAnArray"]);
        assert_eq!(pieces(b"", Format::Array, false, 9), [""; 0]);
    }

    #[test]
    fn bare_values_make_a_bracket_ambiguous() {
        assert_eq!(pieces(b"[1,2]\n[3,4]", Format::Auto, true, 1), ["1:1 [1,2]", "2:1 [3,4]"]);
        assert_eq!(pieces(b" [ [1,2]\n,[3,4]]", Format::Auto, true, 1), ["1:4 [1,2]", "2:2 [3,4]"]);
        assert_eq!(pieces(b"[{a}]", Format::Auto, true, 1), ["1:2 {a}"]);
        assert_eq!(pieces(b"[ ]", Format::Auto, true, 1), [""; 0]);
        assert_eq!(pieces(b"[1,2]", Format::Array, true, 1), ["1:2 1", "1:4 2"]);
    }

    proptest! {
        #[test]
        fn the_size_of_reads_changes_nothing(input in "[\\[\\]{},\"\\\\ \n1]{0,60}", step in 1usize..9) {
            for bare in [false, true] {
                let whole = pieces(input.as_bytes(), Format::Auto, bare, usize::MAX);
                prop_assert_eq!(pieces(input.as_bytes(), Format::Auto, bare, step), whole);
            }
        }
    }
}
