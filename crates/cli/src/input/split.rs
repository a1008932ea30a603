//! Splits a stream into the texts of jobs.

use std::mem;

use super::{
    array::ArrayScanner,
    buffer::Buffer,
    element::{BYTE_ORDER_MARK, Element, SplitError, UTF_16_MARKS, is_blank},
    lines::{ChunkRead, LineScanner},
    source::InputStream,
};
use crate::args::Format;

/// How to split a stream.
#[derive(Clone, Copy)]
enum SplitMode {
    /// JSON, in the given format or as detected from the first bytes. With `bare_values` a bracket alone does
    /// not identify an array of jobs.
    Json { format: Format, bare_values: bool },
    /// Untrimmed lines that end with a delimiter.
    Whole { delimiter: u8 },
}

/// A stream of job texts whose format is known: an array is read by element, lines in chunks.
pub(crate) enum Texts<R> {
    Elements(Elements<R>),
    Chunks(Chunks<R>),
}

/// A stream whose format is not known yet.
pub(crate) struct Splitter<R> {
    buffer: Buffer<R>,
    form: SplitMode,
    max_text: usize,
}

/// Reader of the elements of an array.
pub(crate) struct Elements<R> {
    buffer: Buffer<R>,
    array: ArrayScanner,
    max_text: usize,
}

/// Reader of lines, in chunks of lines that were read together.
pub(crate) struct Chunks<R> {
    buffer: Buffer<R>,
    lines: LineScanner,
    max_text: usize,
}

impl<R: InputStream> Elements<R> {
    /// Number of bytes that have been read.
    pub(crate) fn total_read(&self) -> u64 {
        self.buffer.total_read()
    }

    /// Returns the next element, or `None` at the end. Calls `before_read` before a read that may block.
    pub(crate) fn next(&mut self, before_read: &mut dyn FnMut()) -> Result<Option<Element<'_>>, SplitError> {
        self.array.next(&mut self.buffer, self.max_text, before_read)
    }
}

impl<R: InputStream> Chunks<R> {
    /// Number of bytes that have been read.
    pub(crate) fn total_read(&self) -> u64 {
        self.buffer.total_read()
    }

    /// Returns whether [`next`](Self::next) may block.
    pub(crate) fn may_wait(&self) -> bool {
        self.buffer.may_wait()
    }

    /// Reads at most once and returns the lines that are complete then. The allocation of `recycled` is
    /// reused.
    pub(crate) fn next(&mut self, recycled: &mut Vec<u8>) -> Result<ChunkRead, SplitError> {
        self.lines.next(&mut self.buffer, self.max_text, mem::take(recycled))
    }
}

impl<R: InputStream> Splitter<R> {
    /// Creates a splitter of JSON texts of up to `max_text` bytes. With `bare_values` an array may itself be
    /// a job.
    pub(crate) fn new(reader: R, format: Format, bare_values: bool, max_text: usize) -> Splitter<R> {
        Splitter { buffer: Buffer::new(reader), form: SplitMode::Json { format, bare_values }, max_text }
    }

    /// Creates a splitter of untrimmed lines that end with `delimiter`.
    pub(crate) fn whole_lines(reader: R, delimiter: u8, max_text: usize) -> Splitter<R> {
        Splitter { buffer: Buffer::new(reader), form: SplitMode::Whole { delimiter }, max_text }
    }

    /// Detects the format of the stream from its first bytes. Calls `before_read` before a read that may
    /// block.
    pub(crate) fn texts(mut self, before_read: &mut dyn FnMut()) -> Result<Texts<R>, SplitError> {
        let lines = match self.form {
            SplitMode::Whole { delimiter } => Some(LineScanner::whole(delimiter)),
            SplitMode::Json { format, bare_values } => {
                let is_array = self.is_array(format, bare_values, before_read)?;
                (!is_array).then(LineScanner::json)
            }
        };
        let Splitter { buffer, max_text, .. } = self;
        Ok(match lines {
            Some(lines) => Texts::Chunks(Chunks { buffer, lines, max_text }),
            None => Texts::Elements(Elements { buffer, array: ArrayScanner::default(), max_text }),
        })
    }

    fn is_array(
        &mut self,
        format: Format,
        bare_values: bool,
        before_read: &mut dyn FnMut(),
    ) -> Result<bool, SplitError> {
        for mark in UTF_16_MARKS {
            if self.buffer.starts_with(mark, before_read)? {
                return Err(SplitError::Utf16);
            }
        }
        if self.buffer.starts_with(BYTE_ORDER_MARK, before_read)? {
            self.buffer.skip_uncounted(BYTE_ORDER_MARK.len());
        } else if self.is_utf_16(before_read)? {
            return Err(SplitError::Utf16);
        }
        match format {
            Format::Lines => Ok(false),
            Format::Array => Ok(true),
            Format::Auto => match self.visible(0, before_read)? {
                Some((at, b'[')) => Ok(!bare_values || self.opens_jobs(at + 1, before_read)?),
                _ => Ok(false),
            },
        }
    }

    /// Returns whether the first two characters are encoded in UTF-16 without a byte order mark: every other
    /// byte is NUL.
    fn is_utf_16(&mut self, before_read: &mut dyn FnMut()) -> Result<bool, SplitError> {
        const LENGTH: usize = 4;
        loop {
            let start = &self.buffer.unconsumed()[..LENGTH.min(self.buffer.unconsumed().len())];
            let alternates =
                |odd: usize| start.iter().zip(odd..).all(|(&byte, at)| (byte == 0) == (at % 2 == 1));
            if !alternates(0) && !alternates(1) {
                return Ok(false);
            }
            if start.len() == LENGTH {
                return Ok(true);
            }
            if !self.buffer.fill(before_read)? {
                return Ok(false);
            }
        }
    }

    /// Returns whether the bytes after an opening bracket belong to an array of jobs rather than to a bare
    /// value.
    fn opens_jobs(&mut self, from: usize, before_read: &mut dyn FnMut()) -> Result<bool, SplitError> {
        Ok(matches!(self.visible(from, before_read)?, Some((_, b'[' | b'{' | b']'))))
    }

    /// Returns the first unconsumed byte at or after an offset that is not white space, with its offset.
    /// Consumes leading white space, so that there can be any amount of it.
    fn visible(
        &mut self,
        from: usize,
        before_read: &mut dyn FnMut(),
    ) -> Result<Option<(usize, u8)>, SplitError> {
        let mut at = from;
        loop {
            if let Some(&byte) = self.buffer.unconsumed().get(at) {
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
            if at > self.max_text {
                return Ok(None);
            }
            if !self.buffer.fill(before_read)? {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fuzz::ShortReads, input::Location};
    use proptest::prelude::*;

    fn describe(text: &[u8], location: Location) -> String {
        format!("{}:{} {}", location.line, location.column, String::from_utf8_lossy(text))
    }

    /// Returns all texts as `line:column text`, and the error that ended the input.
    fn pieces(input: &[u8], format: Format, bare: bool, step: usize) -> Vec<String> {
        let mut found = Vec::new();
        let splitter = Splitter::new(ShortReads(input, step), format, bare, 20);
        let end = match splitter.texts(&mut || {}) {
            Ok(Texts::Elements(elements)) => collect_elements(elements, &mut found),
            Ok(Texts::Chunks(chunks)) => collect_lines(chunks, &mut found),
            Err(error) => Err(error),
        };
        match end {
            Ok(()) => {}
            Err(SplitError::Syntax { location, message }) => {
                found.push(describe(message.as_bytes(), location));
            }
            Err(error) => found.push(format!("{error:?}")),
        }
        found
    }

    fn collect_elements(
        mut elements: Elements<ShortReads<'_>>,
        found: &mut Vec<String>,
    ) -> Result<(), SplitError> {
        while let Some(piece) = elements.next(&mut || {})? {
            found.push(match piece {
                Element::Text { text, location } => describe(text, location),
                Element::TooLong { location } => describe(b"too long", location),
            });
        }
        Ok(())
    }

    fn collect_lines(mut chunks: Chunks<ShortReads<'_>>, found: &mut Vec<String>) -> Result<(), SplitError> {
        loop {
            match chunks.next(&mut Vec::new())? {
                ChunkRead::Chunk(chunk) => {
                    let mut locations = chunk.locations();
                    for line in chunk.lines() {
                        let text = if line.is_too_long { &b"too long"[..] } else { chunk.text(&line) };
                        found.push(describe(text, locations.of(line.start)));
                    }
                }
                ChunkRead::Incomplete => {}
                ChunkRead::End => return Ok(()),
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
    fn splits_lines() {
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
    fn splits_arrays() {
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
    fn only_json_white_space_is_skipped() {
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
    fn recognizes_byte_order_marks_and_utf_16() {
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
        fn result_does_not_depend_on_read_sizes(input in "[\\[\\]{},\"\\\\ \n1]{0,60}", step in 1usize..9) {
            for bare in [false, true] {
                let whole = pieces(input.as_bytes(), Format::Auto, bare, usize::MAX);
                prop_assert_eq!(pieces(input.as_bytes(), Format::Auto, bare, step), whole);
            }
        }
    }
}
