//! Whole lines on their way to a stream that others may write to.

use std::{
    io::{self, Write},
    os::fd::AsFd,
};

use sys::stream::{Blocking, PIPE_BUF, is_pipe};

/// A stream that is given whole lines.
///
/// A pipe takes up to [`PIPE_BUF`] bytes in one piece; of more, it may have lines of other writers in
/// between. So a pipe gets as many whole lines with each write as fit into that, and a longer line alone.
/// Other streams get all at once.
#[derive(Debug)]
pub(crate) struct LineWriter<W> {
    stream: Blocking<W>,
    is_pipe: bool,
}

impl<W: Write + AsFd> LineWriter<W> {
    pub(crate) fn new(stream: W) -> LineWriter<W> {
        LineWriter { is_pipe: is_pipe(&stream), stream: Blocking(stream) }
    }
}

impl<W: Write + AsFd> Write for LineWriter<W> {
    /// Writes the first piece of these lines.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.stream.write(if self.is_pipe { first_piece(lines) } else { lines })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// As many whole lines as a pipe takes in one piece, or the first line if that is longer.
fn first_piece(lines: &[u8]) -> &[u8] {
    let Some(front) = lines.get(..PIPE_BUF) else { return lines };
    match memchr::memrchr(b'\n', front).or_else(|| memchr::memchr(b'\n', lines)) {
        Some(end) => &lines[..=end],
        None => lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes of the pieces in which a text is written to a pipe.
    fn pieces(mut text: &[u8]) -> Vec<usize> {
        let mut sizes = Vec::new();
        while !text.is_empty() {
            sizes.push(first_piece(text).len());
            text = &text[first_piece(text).len()..];
        }
        sizes
    }

    #[test]
    fn pieces_are_whole_lines_and_as_large_as_may_be() {
        let lines = |length: usize, count| format!("{}\n", "x".repeat(length - 1)).repeat(count).into_bytes();
        assert_eq!(pieces(&lines(1000, 9)), [4000, 4000, 1000]);
        assert_eq!(pieces(&lines(4096, 2)), [4096, 4096]);
        assert_eq!(pieces(b"no end"), [6]);
        assert!(pieces(b"").is_empty());
    }

    #[test]
    fn a_line_that_is_too_long_goes_alone() {
        let text = format!("ab\n{}\ncd\nef\n", "x".repeat(5000));
        assert_eq!(pieces(text.as_bytes()), [3, 5001, 6]);
        // The rest of a line of which a part has been written.
        assert_eq!(pieces(&text.as_bytes()[2000..]).len(), 1);
    }
}
