//! One running program: requests out, replies in. See the [page of the folder](super) for the protocol.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::fd::AsFd,
    process::ChildStdin,
    time::{Duration, Instant},
};

use job::Death;
use nix::{
    poll::{PollFd, PollFlags, ppoll},
    sys::time::TimeSpec,
};
use sys::pipe;

use super::{
    ProgramDefinition,
    depth::Pace,
    replies::{Replies, quote},
    requests::Requests,
    spawn::Process,
    stderr::Relay,
};

/// Number of bytes of the first request that are sent before the program is known to read.
const FIRST_PIECE: usize = 4 * 1024;

/// Capacity of a pipe by default.
const CAPACITY: i32 = 64 * 1024;

/// Time between two looks at a program that is starting; its job's clock is set back at each.
const STARTING: Duration = Duration::from_millis(10);

/// Time after which a program that has closed its output is killed.
const CLOSED: Duration = Duration::from_secs(1);

/// A program that this worker has started, and the requests that it has not answered.
#[derive(Debug)]
pub(super) struct Exchange {
    process: Process,
    /// `None` once it is to end.
    requests_to: Option<ChildStdin>,
    /// The program has closed its input: nothing more can be written.
    input_ended: bool,
    replies_from: io::PipeReader,
    requests: Requests,
    replies: Replies,
    pace: Pace,
    stderr: Relay,
    /// No request has been read yet.
    is_fresh: bool,
    has_replied: bool,
    /// It has closed its output, or has ended and its output has been read.
    output_ended: bool,
    /// When the replies at hand were last counted.
    counted: Instant,
    /// Replies that have been taken since.
    taken: u32,
}

/// Why a reply does not come.
#[derive(Debug)]
pub(super) enum NoReply {
    /// The program has ended, or was killed because it did not start in time.
    Died { death: Death, message: String, stderr: Vec<u8> },
    /// It ended between two requests and has read none of those at hand: they can go to another.
    Left(Requests),
    /// It has broken the protocol, and been killed.
    Protocol(String),
}

impl Exchange {
    /// Starts the program.
    ///
    /// # Errors
    /// What the system says: no such program, no permission, no processes, descriptors, threads or memory left.
    pub(super) fn start(definition: &ProgramDefinition, requests: Requests) -> io::Result<Exchange> {
        let (process, streams) = Process::spawn(definition)?;
        pipe::set_nonblocking(&streams.replies_from)?;
        let stderr = Relay::start(streams.stderr, definition.stderr_prefix())?;
        Ok(Exchange {
            process,
            requests_to: Some(streams.requests_to),
            input_ended: false,
            replies_from: streams.replies_from,
            requests,
            replies: Replies::new(definition.delimiter, definition.max_reply),
            pace: Pace::new(definition.depth),
            stderr,
            is_fresh: true,
            has_replied: false,
            output_ended: false,
            counted: Instant::now(),
            taken: 0,
        })
    }

    /// Whether a request of this many bytes can be sent before the ones at hand are answered.
    pub(super) fn takes_ahead(&self, bytes: usize) -> bool {
        self.has_replied && self.requests.unanswered() < self.pace.depth() && self.requests.has_room(bytes)
    }

    /// Adds a request ahead of its job.
    pub(super) fn push_ahead(&mut self, request: &[u8], definition: &ProgramDefinition) {
        self.requests.push_ahead(request, definition.delimiter);
    }

    /// Gives the requests up that were sent ahead: their jobs run elsewhere.
    pub(super) fn give_up_ahead(&mut self) {
        self.requests.discard();
    }

    /// Sends the request of the job that runs now, unless that has been done ahead, and waits for its reply.
    pub(super) fn call(
        &mut self,
        request: &[u8],
        definition: &ProgramDefinition,
    ) -> Result<Vec<u8>, NoReply> {
        if !self.requests.take_turn() {
            self.refuse_unsolicited()?;
            if self.requests.unanswered() == 0 {
                self.counted = Instant::now();
            }
            self.requests.push(request, definition.delimiter);
        }
        self.reply(definition)
    }

    /// Waits for the reply to the oldest request at hand.
    pub(super) fn reply(&mut self, definition: &ProgramDefinition) -> Result<Vec<u8>, NoReply> {
        if self.is_fresh {
            self.wait_until_it_reads(definition)?;
        }
        loop {
            while let Some(reply) = self.next_reply(definition)? {
                if let Some(reply) = reply {
                    return Ok(reply);
                }
            }
            self.write();
            self.wait_for_reply()?;
        }
    }

    /// The next whole reply that has been read; `Some(None)` if its request was discarded.
    fn next_reply(&mut self, definition: &ProgramDefinition) -> Result<Option<Option<Vec<u8>>>, NoReply> {
        let reply = match self.replies.next() {
            Ok(Some(reply)) => reply.to_vec(),
            Ok(None) => return Ok(None),
            Err(_) => {
                let message = format!(
                    "a reply is longer than {} bytes (--max-result): {}",
                    definition.max_reply,
                    self.replies.quote()
                );
                return Err(self.broke_protocol(&message));
            }
        };
        let wanted = self.requests.answered();
        self.has_replied = true;
        self.taken += 1;
        if self.requests.unanswered() == 0 && !self.replies.is_empty() {
            return Err(self.unsolicited());
        }
        Ok(Some(wanted.then_some(reply)))
    }

    /// What has come although nothing was asked for.
    fn refuse_unsolicited(&mut self) -> Result<(), NoReply> {
        if self.requests.unanswered() > 0 || self.is_fresh {
            return Ok(());
        }
        self.read();
        if self.replies.is_empty() { Ok(()) } else { Err(self.unsolicited()) }
    }

    fn unsolicited(&mut self) -> NoReply {
        let quote = self.replies.quote();
        self.broke_protocol(&format!(
            "a reply without a request: {quote}; earlier replies of it may be shifted"
        ))
    }

    fn broke_protocol(&mut self, message: &str) -> NoReply {
        self.process.kill();
        NoReply::Protocol(message.to_owned())
    }

    /// Sends the first piece of the first request and waits until the program has read it.
    fn wait_until_it_reads(&mut self, definition: &ProgramDefinition) -> Result<(), NoReply> {
        let deadline = Instant::now() + definition.start_timeout;
        let oldest = self.requests.oldest();
        let piece = oldest.len().min(FIRST_PIECE);
        // Nothing can be held back of an empty request.
        let (bytes, may_reply) = if piece == 0 { (1, true) } else { (piece, false) };
        // With room for one page only, the pipe is writable again when it is empty.
        let is_signalled = self.requests_to.as_ref().is_some_and(|pipe| pipe::set_capacity(pipe, 1).is_ok());
        self.write_some(bytes);
        loop {
            restart_job_clock();
            self.read();
            let is_read = !self.input_ended && self.unread() == 0;
            if is_read {
                // All that it wrote before it read.
                self.read();
            }
            let is_banner =
                if is_read { !may_reply && self.replies.has_whole() } else { !self.replies.is_empty() };
            if is_banner {
                let quote = self.replies.quote();
                return Err(
                    self.broke_protocol(&format!("output before the first request was read: {quote}"))
                );
            }
            if is_read {
                break;
            }
            if self.output_ended {
                return Err(self.ended());
            }
            if Instant::now() >= deadline {
                let limit = definition.start_timeout.as_secs_f64();
                self.process.kill();
                let message = format!("did not read its first request within {limit} s (--start-timeout)");
                return Err(self.died(&message));
            }
            let wait = STARTING.min(deadline.saturating_duration_since(Instant::now()));
            self.wait(Some(wait), true, is_signalled);
        }
        if let Some(pipe) = &self.requests_to {
            // JobError leaves a small pipe, which is slow and no error.
            let _ = pipe::set_capacity(pipe, CAPACITY);
        }
        self.is_fresh = false;
        self.counted = Instant::now();
        Ok(())
    }

    /// Number of bytes in the pipe that the program has not read.
    fn unread(&self) -> usize {
        self.requests_to.as_ref().and_then(|pipe| pipe::unread(pipe).ok()).unwrap_or(0)
    }

    /// Writes what the pipe takes.
    fn write(&mut self) {
        self.write_some(usize::MAX);
    }

    fn write_some(&mut self, most: usize) {
        let Some(pipe) = self.requests_to.as_mut().filter(|_| !self.input_ended) else { return };
        let unwritten = self.requests.unwritten();
        let unwritten = &unwritten[..unwritten.len().min(most)];
        if unwritten.is_empty() {
            return;
        }
        match pipe.write(unwritten) {
            Ok(count) => self.requests.note_written(count),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // It reads no more; it may still answer what it has read.
            Err(_) => self.input_ended = true,
        }
    }

    /// Reads some of what is there; returns whether that was anything. Notes the end.
    fn read(&mut self) -> bool {
        let space = self.replies.space();
        let count = match self.replies_from.read(space) {
            Ok(count) => {
                self.output_ended = count == 0;
                count
            }
            Err(error) => {
                self.output_ended = !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted);
                0
            }
        };
        self.replies.filled(count);
        count > 0
    }

    /// Waits until there may be a reply, and reads.
    fn wait_for_reply(&mut self) -> Result<(), NoReply> {
        self.learn();
        if self.output_ended {
            return Err(self.ended());
        }
        let nap = self.pace.nap(self.requests.unanswered());
        let has_ended = match nap {
            // More replies are worth one look.
            Some(nap) => self.wait(Some(nap), false, true),
            None => self.wait(None, true, true),
        };
        // What it wrote before its end has been read when nothing more comes, also if a process that it left holds the pipe.
        if !self.read() && has_ended {
            return Err(self.ended());
        }
        Ok(())
    }

    fn learn(&mut self) {
        let now = Instant::now();
        self.pace.learn(std::mem::take(&mut self.taken), now - self.counted);
        self.counted = now;
    }

    /// Waits for the end of the program, for replies and for room for requests; returns whether it has ended.
    fn wait(&self, timeout: Option<Duration>, for_replies: bool, for_room: bool) -> bool {
        let mut fds = Vec::with_capacity(3);
        fds.push(PollFd::new(self.process.end(), PollFlags::POLLIN));
        if for_replies && !self.output_ended {
            fds.push(PollFd::new(self.replies_from.as_fd(), PollFlags::POLLIN));
        }
        let has_more = !self.input_ended && !self.requests.unwritten().is_empty();
        if let Some(pipe) = self.requests_to.as_ref().filter(|_| for_room && has_more) {
            fds.push(PollFd::new(pipe.as_fd(), PollFlags::POLLOUT));
        }
        // An interruption is as good as the end of the time: the caller looks again.
        let _ = ppoll(&mut fds, timeout.map(TimeSpec::from), None);
        fds[0].any().unwrap_or(false)
    }

    /// What the end of the output means.
    fn ended(&mut self) -> NoReply {
        if !self.process.wait(CLOSED) {
            return self.broke_protocol("it closed its standard output");
        }
        let unread = self.unread();
        let unread_all = self.requests.are_unread(unread) && self.replies.is_empty();
        if self.has_replied && unread_all {
            return NoReply::Left(std::mem::take(&mut self.requests));
        }
        if !self.replies.is_empty() && self.process.exited() {
            let message =
                format!("a reply that is cut off by the end of the output: {}", self.replies.quote());
            return self.broke_protocol(&message);
        }
        self.died("ended with its request unanswered")
    }

    fn died(&mut self, message: &str) -> NoReply {
        let death = self.process.reap();
        NoReply::Died { death, message: message.to_owned(), stderr: self.stderr.tail() }
    }

    /// Ends the program: closes its input, and gives it twice the grace period, with SIGTERM in between. Returns output that
    /// answered no request.
    pub(super) fn finish(mut self, grace: Duration) -> Option<String> {
        self.requests_to = None;
        if !self.process.wait(grace) {
            self.process.terminate();
            if !self.process.wait(grace) {
                self.process.kill();
            }
        }
        self.read();
        // Let its last lines through before the worker goes.
        self.stderr.tail();
        let replies = &self.replies;
        (self.requests.unanswered() == 0 && !replies.is_empty()).then(|| replies.quote())
    }
}

/// The time until the program reads its first request is not the job's.
fn restart_job_clock() {
    if let Some(page) = sys::shared_page::current() {
        page.renew(sys::clock::now());
    }
}

/// Words for a reply that does not follow the JSON protocol.
pub(super) fn no_json(reason: &str, reply: &[u8]) -> String {
    format!("a reply that is no {{\"result\": ...}} or {{\"error\": ...}} ({reason}): {}", quote(reply))
}
