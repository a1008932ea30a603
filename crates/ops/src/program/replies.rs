//! Replies as they come out of a program's pipe.

/// Number of bytes read at once.
pub(super) const CHUNK: usize = 64 * 1024;

/// Number of bytes of a bad reply that a message quotes.
const QUOTED: usize = 80;

/// Bytes that a program has written, cut at the delimiter.
#[derive(Debug)]
pub(super) struct Replies {
    delimiter: u8,
    /// Number of bytes that a reply may have.
    max: usize,
    buffer: Vec<u8>,
    /// Where the oldest reply that was not taken starts.
    start: usize,
    /// Up to where no delimiter was found.
    searched: usize,
}

/// A reply that is longer than allowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Replies {
    pub(super) fn new(delimiter: u8, max: u64) -> Replies {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        Replies { delimiter, max, buffer: Vec::new(), start: 0, searched: 0 }
    }

    /// Space to read into; [`filled`](Replies::filled) says how much of it was.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.start == self.buffer.len() {
            self.buffer.clear();
        } else if self.start > 0 {
            self.buffer.drain(..self.start);
        }
        self.searched -= self.start;
        self.start = 0;
        let length = self.buffer.len();
        self.buffer.resize(length + CHUNK, 0);
        &mut self.buffer[length..]
    }

    /// Notes that the first `count` bytes of the last [`space`](Replies::space) have been read into.
    pub(super) fn filled(&mut self, count: usize) {
        self.buffer.truncate(self.buffer.len() - CHUNK + count);
    }

    /// The next whole reply, without its delimiter; `None` if there is none yet.
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

    /// Whether nothing is there.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    /// Whether a whole reply is there.
    pub(super) fn has_whole(&self) -> bool {
        memchr::memchr(self.delimiter, &self.buffer[self.start..]).is_some()
    }

    /// The start of what has not been taken, for a message.
    pub(super) fn quote(&self) -> String {
        quote(&self.buffer[self.start..])
    }
}

/// The first bytes of a text, in quotes, for a message.
pub(super) fn quote(text: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&text[..text.len().min(QUOTED)]);
    let more = if text.len() > QUOTED { "..." } else { "" };
    format!("{shown:?}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn feed(replies: &mut Replies, bytes: &[u8]) {
        replies.space()[..bytes.len()].copy_from_slice(bytes);
        replies.filled(bytes.len());
    }

    #[test]
    fn a_reply_is_there_with_its_delimiter() {
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
    fn a_reply_that_is_too_long_is_refused_with_and_without_its_end() {
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
    fn a_quote_is_short_and_printable() {
        assert_eq!(quote(b"a\x00\xff"), "\"a\\0\u{fffd}\"");
        let long = quote(&[b'x'; 1000]);
        assert_eq!(long, format!("\"{}\"...", "x".repeat(80)));
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same_replies(
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
