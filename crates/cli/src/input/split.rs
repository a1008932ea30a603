//! Cuts a stream into the texts of jobs.

use std::io::Read;

use super::{
    array::Array,
    buffer::Buffer,
    lines::Lines,
    piece::{BYTE_ORDER_MARK, Piece, SplitError, UTF_16_MARKS, is_blank},
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

    /// A splitter for texts that are lines as they stand, each up to a delimiter.
    pub(crate) fn whole_lines(reader: R, delimiter: u8, longest: usize) -> Splitter<R> {
        Splitter { buffer: Buffer::new(reader), scanner: Scanner::Lines(Lines::whole(delimiter)), longest }
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
        for mark in UTF_16_MARKS {
            if self.buffer.starts_with(mark, before_read)? {
                return Err(SplitError::Utf16);
            }
        }
        if self.buffer.starts_with(BYTE_ORDER_MARK, before_read)? {
            self.buffer.skip_unseen(BYTE_ORDER_MARK.len());
        } else if self.is_utf_16(before_read)? {
            return Err(SplitError::Utf16);
        }
        let array = match format {
            Format::Lines => false,
            Format::Array => true,
            Format::Auto => match self.visible(0, before_read)? {
                Some((at, b'[')) => !bare_values || self.opens_jobs(at + 1, before_read)?,
                _ => false,
            },
        };
        Ok(if array { Scanner::Array(Array::default()) } else { Scanner::Lines(Lines::of_json()) })
    }

    /// Whether the first two characters are in UTF-16, without a byte order mark: every other byte is NUL.
    fn is_utf_16(&mut self, before_read: &mut dyn FnMut()) -> Result<bool, SplitError> {
        const LENGTH: usize = 4;
        loop {
            let start = &self.buffer.unused()[..LENGTH.min(self.buffer.unused().len())];
            let alternates =
                |odd: usize| start.iter().zip(odd..).all(|(&byte, at)| (byte == 0) == (at % 2 == 1));
            if !alternates(0) && !alternates(1) {
                return Ok(false);
            }
            if start.len() == LENGTH {
                return Ok(true);
            }
            before_read();
            if !self.buffer.fill()? {
                return Ok(false);
            }
        }
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
                if !is_blank(byte) {
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
    fn only_jsons_white_space_is_white_space() {
        for other in ["\x0b", "\x0c", "\0", "\u{85}", "\u{a0}", "\u{2028}", "\u{3000}"] {
            assert_eq!(auto(&format!("{other}\n{{a}}\n")), [format!("1:1 {other}"), "2:1 {a}".into()]);
            assert_eq!(
                auto(&format!("{{a}}{other}\n {other} \n")),
                [format!("1:1 {{a}}{other}"), format!("2:2 {other}")]
            );
            assert_eq!(
                auto(&format!("[1{other},{other}2]")),
                [format!("1:2 1{other}"), format!("1:{} {other}2", 4 + other.len())]
            );
            assert_eq!(auto(&format!("[1]{other}")), ["1:2 1", "1:4 text after the end of the array"]);
            let padded = format!("{other}[1,2]");
            assert_eq!(pieces(padded.as_bytes(), Format::Array, false, 1), ["NotAnArray"]);
        }
    }

    #[test]
    fn byte_order_marks_and_utf_16_are_recognised() {
        assert_eq!(auto("{a}\n\u{feff}{b}\n"), ["1:1 {a}", "2:1 \u{feff}{b}"]);
        assert_eq!(auto("[1]\n\u{feff}[2]"), ["1:2 1", "2:1 a byte order mark after the end of the array"]);
        assert_eq!(auto("[1]\u{fefe}"), ["1:2 1", "1:4 text after the end of the array"]);
        let utf_16 = |text: &str, to_bytes: fn(u16) -> [u8; 2]| {
            text.encode_utf16().flat_map(to_bytes).collect::<Vec<_>>()
        };
        for text in ["{\"a\":1}\n", "[{a}]", "\u{feff}{}", "\u{feff}"] {
            for to_bytes in [u16::to_le_bytes, u16::to_be_bytes] {
                for step in [1, 2, 3, usize::MAX] {
                    assert_eq!(
                        pieces(&utf_16(text, to_bytes), Format::Auto, false, step),
                        ["Utf16"],
                        "{text}"
                    );
                }
            }
        }
        for text in [&b"5\0\n"[..], b"\0", b"\0\0{}", b"{\0\0\0x"] {
            assert_ne!(pieces(text, Format::Auto, false, 1), ["Utf16"], "{text:?}");
        }
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
