//! Splitting of a stream into lines of bounded length.

use crate::output::MAX_LINE;

/// Start of a line that is not complete; at most [`MAX_LINE`] bytes.
#[derive(Default)]
pub(super) struct LineBuffer(Vec<u8>);

impl LineBuffer {
    /// Adds bytes of the stream. Calls `pass` with each line without its newline, or piece of a long one, and
    /// with whether it ended with a newline.
    pub(super) fn push(&mut self, bytes: &[u8], mut pass: impl FnMut(&[u8], bool)) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(end) => {
                    self.add(end, &mut pass);
                    pass(&self.0, true);
                    self.0.clear();
                }
                None => self.add(part, &mut pass),
            }
        }
    }

    /// Calls `pass` with the last line, if it has no newline.
    pub(super) fn finish(&mut self, mut pass: impl FnMut(&[u8], bool)) {
        let last = std::mem::take(&mut self.0);
        if !last.is_empty() {
            pass(&last, false);
        }
    }

    /// Adds bytes without a newline; passes pieces on when the line gets too long.
    fn add(&mut self, mut bytes: &[u8], pass: &mut impl FnMut(&[u8], bool)) {
        while self.0.len() + bytes.len() > MAX_LINE {
            let (piece, rest) = bytes.split_at(MAX_LINE - self.0.len());
            self.0.extend_from_slice(piece);
            pass(&self.0, false);
            self.0.clear();
            bytes = rest;
        }
        self.0.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the lines of a stream that arrives in these parts, and whether each is complete.
    fn lines(parts: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let (mut buffer, mut lines) = (LineBuffer::default(), Vec::new());
        let mut pass = |bytes: &[u8], is_complete| lines.push((bytes.to_vec(), is_complete));
        parts.iter().for_each(|part| buffer.push(part, &mut pass));
        buffer.finish(&mut pass);
        lines
    }

    fn owned(expected: &[(&[u8], bool)]) -> Vec<(Vec<u8>, bool)> {
        expected.iter().map(|&(bytes, is_complete)| (bytes.to_vec(), is_complete)).collect()
    }

    #[test]
    fn lines_are_the_same_wherever_the_parts_end() {
        let text = b"one\n\ntwo\r\nlast";
        let expected = owned(&[(b"one", true), (b"", true), (b"two\r", true), (b"last", false)]);
        assert_eq!(lines(&[text]), expected);
        for at in 0..=text.len() {
            assert_eq!(lines(&[&text[..at], &text[at..]]), expected, "split at {at}");
        }
        assert_eq!(lines(&text.each_ref().map(std::slice::from_ref)), expected);
        assert_eq!(lines(&[]), []);
        assert_eq!(lines(&[b"a\n"]), owned(&[(b"a", true)]));
    }

    #[test]
    fn long_lines_are_cut() {
        let (full, longer) = (vec![b'x'; MAX_LINE], vec![b'x'; MAX_LINE + 1]);
        assert_eq!(lines(&[&full, b"\n"]), owned(&[(&full, true)]));
        assert_eq!(lines(&[&full]), owned(&[(&full, false)]));
        assert_eq!(lines(&[&longer, b"\n"]), owned(&[(&full, false), (b"x", true)]));
        assert_eq!(lines(&[b"y", &full, &full]).len(), 3);
        let endless: Vec<&[u8]> = vec![&longer; 10];
        assert!(lines(&endless).iter().all(|(piece, _)| piece.len() <= MAX_LINE));
        let joined: usize = lines(&endless).iter().map(|(piece, _)| piece.len()).sum();
        assert_eq!(joined, 10 * longer.len());
    }
}
