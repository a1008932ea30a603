//! Unanswered requests of a program.

use std::collections::VecDeque;

/// Maximum number of bytes of several unanswered requests: the default capacity of a pipe.
const MAX_BYTES: usize = 64 * 1024;

/// Encoded requests, starting with the oldest unanswered one. Their bytes are kept until they are answered,
/// because requests that a program has not read before its exit are sent to another process.
#[derive(Debug, Default)]
pub(super) struct Requests {
    buffer: Vec<u8>,
    /// Start of the oldest unanswered request.
    start: usize,
    /// End of the part that has been written to the pipe.
    written: usize,
    unanswered: VecDeque<Request>,
    /// Number of pipelined requests whose jobs do not run yet. These are the newest ones.
    pipelined: usize,
}

/// An unanswered request.
#[derive(Debug)]
struct Request {
    /// Size in bytes, including the delimiter.
    bytes: usize,
    /// The reply will be read and discarded.
    discarded: bool,
}

impl Requests {
    /// Number of unanswered requests.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    /// Returns whether another request of `bytes` bytes can be added. A single request may have any size.
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

    /// Appends a request before its job runs.
    pub(super) fn push_pipelined(&mut self, request: &[u8], delimiter: u8) {
        self.push(request, delimiter);
        self.pipelined += 1;
    }

    /// Notes that the next job runs. Returns whether its request was pipelined.
    pub(super) fn take_pipelined(&mut self) -> bool {
        let is_pipelined = self.pipelined > 0;
        self.pipelined -= usize::from(is_pipelined);
        is_pipelined
    }

    /// Returns the bytes that are not yet written to the pipe.
    pub(super) fn unwritten(&self) -> &[u8] {
        &self.buffer[self.written..]
    }

    /// Returns the oldest unanswered request without its delimiter, or an empty slice if there is none.
    pub(super) fn oldest(&self) -> &[u8] {
        let length = self.unanswered.front().map_or(0, |request| request.bytes - 1);
        &self.buffer[self.start..self.start + length]
    }

    /// Notes that the first `count` unwritten bytes have been written to the pipe.
    pub(super) fn note_written(&mut self, count: usize) {
        self.written += count;
    }

    /// Removes the oldest request, whose reply has arrived. Returns `false` if the reply must be discarded.
    ///
    /// # Panics
    /// If there is no unanswered request.
    pub(super) fn answered(&mut self) -> bool {
        let request = self.unanswered.pop_front().expect("replies are read only for unanswered requests");
        self.start += request.bytes;
        !request.discarded
    }

    /// Marks all unanswered requests as discarded: their jobs will not run here, and their replies are
    /// ignored.
    pub(super) fn discard(&mut self) {
        self.pipelined = 0;
        self.unanswered.iter_mut().for_each(|request| request.discarded = true);
    }

    /// Prepares to write all requests again, to another process. Removes discarded requests.
    pub(super) fn rewind(&mut self) {
        // Discarded requests are always the oldest, because `discard` marks all requests of its time.
        while self.unanswered.front().is_some_and(|request| request.discarded) {
            self.answered();
        }
        self.written = self.start;
    }

    /// Returns whether the program has read no byte of the unanswered requests; `unread` is the number of
    /// bytes in its pipe.
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
    fn requests_are_written_in_order_and_counted_until_answered() {
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
    fn first_request_always_fits_and_others_up_to_a_limit() {
        let mut requests = Requests::default();
        assert!(requests.has_room(10 * MAX_BYTES));
        requests.push(&[0; 100], b'\n');
        assert!(requests.has_room(100));
        assert!(!requests.has_room(MAX_BYTES));
    }

    #[test]
    fn detects_unread_requests() {
        let mut requests = Requests::default();
        requests.push(b"abc", b'\n');
        requests.note_written(4);
        assert!(requests.are_unread(4));
        assert!(!requests.are_unread(3));
        requests.push(b"de", b'\n');
        assert!(requests.are_unread(4), "the second request is not in the pipe yet");
        requests.note_written(3);
        assert!(!requests.are_unread(3), "the first request has been read");
        assert!(requests.are_unread(7));
    }

    #[test]
    fn pipelined_requests_are_counted_until_their_job_runs() {
        let mut requests = Requests::default();
        assert!(!requests.take_pipelined());
        requests.push(b"a", b'\n');
        requests.push_pipelined(b"b", b'\n');
        requests.push_pipelined(b"c", b'\n');
        assert!(requests.answered() && requests.take_pipelined());
        requests.rewind();
        assert!(requests.take_pipelined(), "request c was lost by rewinding");
        assert!(!requests.take_pipelined());
    }

    #[test]
    fn rewind_keeps_unread_requests_unless_discarded() {
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
