//! Buffer that splits the output of a program into replies.

/// Number of bytes read at once.
pub(super) const CHUNK_SIZE: usize = 64 * 1024;

/// Number of bytes of an invalid reply that are quoted in a message.
const MAX_QUOTED: usize = 80;

/// Output of a program, split at the delimiter.
#[derive(Debug)]
pub(super) struct Replies {
    delimiter: u8,
    /// Maximum size of a reply in bytes.
    max: usize,
    buffer: Vec<u8>,
    /// Start of the oldest reply that was not returned yet.
    start: usize,
    /// Start of the part that was not searched for a delimiter yet.
    searched: usize,
}

/// Error for a reply that is longer than allowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Replies {
    pub(super) fn new(delimiter: u8, max: u64) -> Replies {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        Replies { delimiter, max, buffer: Vec::new(), start: 0, searched: 0 }
    }

    /// Returns spare space to read into. Call [`filled`](Replies::filled) with the number of bytes read
    /// afterwards.
    pub(super) fn spare_space(&mut self) -> &mut [u8] {
        if self.start == self.buffer.len() {
            self.buffer.clear();
        } else if self.start > 0 {
            self.buffer.drain(..self.start);
        }
        self.searched -= self.start;
        self.start = 0;
        let length = self.buffer.len();
        self.buffer.resize(length + CHUNK_SIZE, 0);
        &mut self.buffer[length..]
    }

    /// Notes that the first `count` bytes of the last [`spare_space`](Replies::spare_space) were filled.
    pub(super) fn filled(&mut self, count: usize) {
        self.buffer.truncate(self.buffer.len() - CHUNK_SIZE + count);
    }

    /// Returns the next complete reply without its delimiter, or `None` if there is none yet.
    ///
    /// # Errors
    /// [`TooLong`] if the reply, complete or not, is longer than allowed.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, TooLong> {
        let found = memchr::memchr(self.delimiter, &self.buffer[self.searched..]);
        let end = found.map_or(self.buffer.len(), |at| self.searched + at);
        if end - self.start > self.max {
            return Err(TooLong);
        }
        if found.is_none() {
            self.searched = end;
            return Ok(None);
        }
        let reply = self.start..end;
        self.start = end + 1;
        self.searched = self.start;
        Ok(Some(&self.buffer[reply]))
    }

    /// Returns whether there is no output, not even a part of a reply.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    /// Returns whether there is a complete reply.
    pub(super) fn has_complete(&self) -> bool {
        memchr::memchr(self.delimiter, &self.buffer[self.start..]).is_some()
    }

    /// Returns the start of the remaining output, quoted for a message.
    pub(super) fn quote(&self) -> String {
        quote(&self.buffer[self.start..])
    }
}

/// Returns the first bytes of a text, quoted for a message.
pub(super) fn quote(text: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&text[..text.len().min(MAX_QUOTED)]);
    let more = if text.len() > MAX_QUOTED { "..." } else { "" };
    format!("{shown:?}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn feed(replies: &mut Replies, bytes: &[u8]) {
        replies.spare_space()[..bytes.len()].copy_from_slice(bytes);
        replies.filled(bytes.len());
    }

    #[test]
    fn returns_replies_once_the_delimiter_has_arrived() {
        let mut replies = Replies::new(b'\n', 10);
        feed(&mut replies, b"one\n\ntw");
        assert_eq!(replies.next(), Ok(Some(&b"one"[..])));
        assert_eq!(replies.next(), Ok(Some(&b""[..])));
        assert_eq!(replies.next(), Ok(None));
        assert!(!replies.is_empty());
        assert_eq!(replies.quote(), "\"tw\"");
        feed(&mut replies, b"o\n");
        assert_eq!(replies.next(), Ok(Some(&b"two"[..])));
        assert!(replies.is_empty());
    }

    #[test]
    fn rejects_long_replies_with_and_without_delimiter() {
        for text in [&b"12345678901"[..], b"12345678901\n"] {
            let mut replies = Replies::new(b'\n', 10);
            feed(&mut replies, text);
            assert_eq!(replies.next(), Err(TooLong));
        }
        let mut replies = Replies::new(b'\n', 10);
        feed(&mut replies, b"1234567890\n");
        assert_eq!(replies.next().unwrap().unwrap().len(), 10);
    }

    #[test]
    fn quotes_are_short_and_printable() {
        assert_eq!(quote(b"a\x00\xff"), "\"a\\0\u{fffd}\"");
        let long = quote(&[b'x'; 1000]);
        assert_eq!(long, format!("\"{}\"...", "x".repeat(80)));
    }

    proptest! {
        #[test]
        fn chunks_of_any_size_yield_the_same_replies(
            lines in proptest::collection::vec("[a-z]{0,9}", 0..20),
            sizes in proptest::collection::vec(1usize..7, 1..60),
        ) {
            let text: Vec<u8> = lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect();
            let mut replies = Replies::new(b'\n', 9);
            let mut seen = Vec::new();
            let (mut rest, mut sizes) = (&text[..], sizes.iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
                feed(&mut replies, piece);
                rest = after;
                while let Some(reply) = replies.next().unwrap() {
                    seen.push(String::from_utf8(reply.to_vec()).unwrap());
                }
            }
            prop_assert_eq!(seen, lines);
            prop_assert!(replies.is_empty());
        }
    }
}
