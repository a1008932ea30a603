//! Writing of whole lines to a stream that other processes may write to.

use std::{
    io::{self, Write},
    os::fd::AsFd,
};

use sys::stream::{Blocking, PIPE_BUF, is_pipe};

/// Writer of whole lines.
///
/// A write of up to [`PIPE_BUF`] bytes to a pipe is atomic; a larger one can be interleaved with lines of
/// other writers. So each write to a pipe contains as many whole lines as fit into [`PIPE_BUF`], or a single
/// longer line. Other streams get everything in one write.
#[derive(Debug)]
pub struct LineWriter<W> {
    stream: Blocking<W>,
    is_pipe: bool,
}

impl<W: Write + AsFd> LineWriter<W> {
    /// Creates a writer to a stream.
    pub fn new(stream: W) -> LineWriter<W> {
        LineWriter { is_pipe: is_pipe(&stream), stream: Blocking(stream) }
    }
}

impl<W: Write + AsFd> Write for LineWriter<W> {
    /// Writes the first part of these lines.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.stream.write(if self.is_pipe { first_part(lines) } else { lines })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Returns as many whole lines as fit into an atomic write, or the first line if it is longer.
fn first_part(lines: &[u8]) -> &[u8] {
    let Some(front) = lines.get(..PIPE_BUF) else { return lines };
    match memchr::memrchr(b'\n', front).or_else(|| memchr::memchr(b'\n', lines)) {
        Some(end) => &lines[..=end],
        None => lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the sizes of the writes of a text to a pipe.
    fn pieces(mut text: &[u8]) -> Vec<usize> {
        let mut sizes = Vec::new();
        while !text.is_empty() {
            sizes.push(first_part(text).len());
            text = &text[first_part(text).len()..];
        }
        sizes
    }

    #[test]
    fn parts_are_whole_lines_and_maximal() {
        let lines = |length: usize, count| format!("{}\n", "x".repeat(length - 1)).repeat(count).into_bytes();
        assert_eq!(pieces(&lines(1000, 9)), [4000, 4000, 1000]);
        assert_eq!(pieces(&lines(4096, 2)), [4096, 4096]);
        assert_eq!(pieces(b"no end"), [6]);
        assert!(pieces(b"").is_empty());
    }

    #[test]
    fn an_overlong_line_is_written_alone() {
        let text = format!("ab\n{}\ncd\nef\n", "x".repeat(5000));
        assert_eq!(pieces(text.as_bytes()), [3, 5001, 6]);
        // The rest of a partly written line.
        assert_eq!(pieces(&text.as_bytes()[2000..]).len(), 1);
    }
}
