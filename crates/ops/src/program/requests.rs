//! Requests on their way to a program, and those that it has not answered.

use std::collections::VecDeque;

/// Number of bytes that may be unanswered while more than one request is; what a pipe holds by default.
const MAX_BYTES: usize = 64 * 1024;

/// Encoded requests from the oldest that has no reply on. Their bytes are kept until then, because a program that ended
/// before it read them is started again.
#[derive(Debug, Default)]
pub(super) struct Requests {
    buffer: Vec<u8>,
    /// Where the oldest unanswered request starts.
    start: usize,
    /// Up to where bytes have been written to the pipe.
    written: usize,
    unanswered: VecDeque<Request>,
    /// Number of the youngest requests whose jobs have not taken their turn.
    ahead: usize,
}

/// A request that has no reply yet.
#[derive(Debug)]
struct Request {
    /// Number of its bytes, delimiter included.
    bytes: usize,
    /// Nothing waits for its reply, which is read and dropped.
    discarded: bool,
}

impl Requests {
    /// Number of requests without a reply.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    /// Whether one more request of this many bytes fits beside the unanswered ones.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.unanswered.is_empty() || self.unanswered_bytes().saturating_add(bytes) < MAX_BYTES
    }

    /// Appends a request.
    pub(super) fn push(&mut self, request: &[u8], delimiter: u8) {
        if self.start == self.buffer.len() || self.start > MAX_BYTES {
            self.buffer.drain(..self.start);
            self.written -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(request);
        self.buffer.push(delimiter);
        self.unanswered.push_back(Request { bytes: request.len() + 1, discarded: false });
    }

    /// Appends a request ahead of its job.
    pub(super) fn push_ahead(&mut self, request: &[u8], delimiter: u8) {
        self.push(request, delimiter);
        self.ahead += 1;
    }

    /// A job takes its turn: returns whether its request is here already.
    pub(super) fn take_turn(&mut self) -> bool {
        let is_here = self.ahead > 0;
        self.ahead -= usize::from(is_here);
        is_here
    }

    /// Bytes that are still to be written.
    pub(super) fn unwritten(&self) -> &[u8] {
        &self.buffer[self.written..]
    }

    /// The oldest unanswered request, without its delimiter; empty if there is none.
    pub(super) fn oldest(&self) -> &[u8] {
        let length = self.unanswered.front().map_or(0, |request| request.bytes - 1);
        &self.buffer[self.start..self.start + length]
    }

    /// Notes that the first `count` unwritten bytes are in the pipe.
    pub(super) fn note_written(&mut self, count: usize) {
        self.written += count;
    }

    /// Removes the oldest request: its reply has come. Returns whether the reply is wanted.
    ///
    /// # Panics
    /// If there is none.
    pub(super) fn answered(&mut self) -> bool {
        let request = self.unanswered.pop_front().expect("a reply is taken only for a request");
        self.start += request.bytes;
        !request.discarded
    }

    /// Marks all unanswered requests, whose jobs will not take their turn: their replies will be dropped.
    pub(super) fn discard(&mut self) {
        self.ahead = 0;
        self.unanswered.iter_mut().for_each(|request| request.discarded = true);
    }

    /// Prepares to write all of them again, to another program. Those whose replies are not wanted are removed.
    pub(super) fn rewind(&mut self) {
        // Only the oldest can be discarded: what is pushed later is wanted until all are discarded.
        while self.unanswered.front().is_some_and(|request| request.discarded) {
            self.answered();
        }
        self.written = self.start;
    }

    /// Whether the program has read no byte of the unanswered requests, given the number of unread bytes in its pipe.
    pub(super) fn are_unread(&self, unread: usize) -> bool {
        unread + self.unwritten().len() >= self.unanswered_bytes()
    }

    fn unanswered_bytes(&self) -> usize {
        self.buffer.len() - self.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_written_in_order_and_counted_until_they_are_answered() {
        let mut requests = Requests::default();
        requests.push(b"ab", b'\n');
        requests.push(b"", b'\n');
        assert_eq!(requests.unwritten(), b"ab\n\n");
        assert_eq!(requests.oldest(), b"ab");
        requests.note_written(2);
        assert_eq!(requests.unwritten(), b"\n\n");
        assert_eq!(requests.unanswered(), 2);
        requests.note_written(2);
        assert!(requests.answered());
        requests.discard();
        assert!(!requests.answered());
        requests.push(b"c", b'\0');
        assert_eq!(requests.unwritten(), b"c\0");
    }

    #[test]
    fn one_request_always_fits_and_more_up_to_a_bound() {
        let mut requests = Requests::default();
        assert!(requests.has_room(10 * MAX_BYTES));
        requests.push(&[0; 100], b'\n');
        assert!(requests.has_room(100));
        assert!(!requests.has_room(MAX_BYTES));
    }

    #[test]
    fn requests_that_were_never_read_are_recognised() {
        let mut requests = Requests::default();
        requests.push(b"abc", b'\n');
        requests.note_written(4);
        assert!(requests.are_unread(4));
        assert!(!requests.are_unread(3));
        requests.push(b"de", b'\n');
        assert!(requests.are_unread(4), "the second is not in the pipe yet");
        requests.note_written(3);
        assert!(!requests.are_unread(3), "the first has been read");
        assert!(requests.are_unread(7));
    }

    #[test]
    fn a_request_that_was_sent_ahead_is_not_sent_in_its_turn() {
        let mut requests = Requests::default();
        assert!(!requests.take_turn());
        requests.push(b"a", b'\n');
        requests.push_ahead(b"b", b'\n');
        requests.push_ahead(b"c", b'\n');
        assert!(requests.answered() && requests.take_turn());
        requests.rewind();
        assert!(requests.take_turn(), "it goes to another program together with those before it");
        assert!(!requests.take_turn());
    }

    #[test]
    fn what_was_not_read_is_written_again_unless_it_was_discarded() {
        let mut requests = Requests::default();
        requests.push(b"dropped", b'\n');
        requests.discard();
        requests.push(b"ab", b'\n');
        requests.push(b"cd", b'\n');
        requests.note_written(requests.unwritten().len());
        requests.rewind();
        assert_eq!(requests.unwritten(), b"ab\ncd\n");
        assert_eq!(requests.unanswered(), 2);
    }

    #[test]
    fn memory_does_not_grow_with_the_number_of_requests() {
        let mut requests = Requests::default();
        requests.push(&[0; 1000], b'\n');
        for _ in 0..10_000 {
            requests.push(&[0; 1000], b'\n');
            requests.note_written(requests.unwritten().len());
            requests.answered();
        }
        assert!(requests.buffer.len() < 4 * MAX_BYTES);
    }
}
