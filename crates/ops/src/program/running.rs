//! One running program: writes requests and reads replies. See the [parent module](super) for the protocol.

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
    depth::DepthControl,
    replies::{Replies, quote},
    requests::Requests,
    spawn::Process,
    stderr::StderrRelay,
};
use crate::program_sandbox::ProgramSandbox;

/// Number of bytes of the first request that are sent before the program is ready.
const FIRST_PIECE: usize = 4 * 1024;

/// Default capacity of a pipe in bytes.
const PIPE_CAPACITY: i32 = 64 * 1024;

/// Interval between two polls of a program that is starting; the time limit of its job restarts at each.
const START_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Time after which a program that has closed its output is killed.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// A program that this worker has started, and its unanswered requests.
#[derive(Debug)]
pub(super) struct RunningProgram {
    process: Process,
    /// `None` once the program has been asked to exit.
    requests_to: Option<ChildStdin>,
    /// The program has closed its input, so nothing more can be written.
    input_ended: bool,
    replies_from: io::PipeReader,
    requests: Requests,
    replies: Replies,
    depth_control: DepthControl,
    stderr: StderrRelay,
    /// No request has been read yet.
    is_fresh: bool,
    has_replied: bool,
    /// The program has closed its output, or it has exited and its output has been read.
    output_ended: bool,
    /// Time at which replies were last recorded for `depth_control`.
    recorded: Instant,
    /// Number of replies since `recorded`.
    new_replies: u32,
}

/// Reason why there is no reply.
#[derive(Debug)]
pub(super) enum NoReply {
    /// The program has died, or was killed because it did not start in time.
    Died { death: Death, message: String, stderr: Vec<u8> },
    /// The program exited between two requests. It has read none of the unanswered requests, so they can be
    /// sent to another process.
    Left(Requests),
    /// The program violated the protocol and was killed.
    Protocol(String),
}

impl RunningProgram {
    /// Starts the program.
    ///
    /// # Errors
    /// If the program does not exist or cannot be executed, or no processes, descriptors, threads or memory
    /// are left.
    pub(super) fn start(
        definition: &ProgramDefinition,
        requests: Requests,
        sandbox: &ProgramSandbox,
    ) -> io::Result<RunningProgram> {
        let (process, streams) = Process::spawn(definition, sandbox)?;
        pipe::set_nonblocking(&streams.replies_from)?;
        let stderr = StderrRelay::start(streams.stderr, definition.stderr_prefix())?;
        Ok(RunningProgram {
            process,
            requests_to: Some(streams.requests_to),
            input_ended: false,
            replies_from: streams.replies_from,
            requests,
            replies: Replies::new(definition.delimiter, definition.max_reply),
            depth_control: DepthControl::new(definition.depth),
            stderr,
            is_fresh: true,
            has_replied: false,
            output_ended: false,
            recorded: Instant::now(),
            new_replies: 0,
        })
    }

    /// Returns whether a request of `bytes` bytes can be sent before the earlier ones are answered.
    pub(super) fn can_pipeline(&self, bytes: usize) -> bool {
        self.has_replied
            && self.requests.unanswered() < self.depth_control.depth()
            && self.requests.has_room(bytes)
    }

    /// Adds a request before its job runs.
    pub(super) fn push_pipelined(&mut self, request: &[u8], definition: &ProgramDefinition) {
        self.requests.push_pipelined(request, definition.delimiter);
    }

    /// Discards the replies to all pipelined requests: their jobs run elsewhere.
    pub(super) fn discard_pipelined(&mut self) {
        self.requests.discard();
    }

    /// Sends the request of the current job, unless it was pipelined, and waits for its reply.
    pub(super) fn call(
        &mut self,
        request: &[u8],
        definition: &ProgramDefinition,
    ) -> Result<Vec<u8>, NoReply> {
        if !self.requests.take_pipelined() {
            self.reject_unsolicited()?;
            if self.requests.unanswered() == 0 {
                self.recorded = Instant::now();
            }
            self.requests.push(request, definition.delimiter);
        }
        self.reply(definition)
    }

    /// Waits for the reply to the oldest unanswered request that was not discarded.
    pub(super) fn reply(&mut self, definition: &ProgramDefinition) -> Result<Vec<u8>, NoReply> {
        if self.is_fresh {
            self.wait_until_ready(definition)?;
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

    /// Returns the next complete reply that has been read, or `Some(None)` if its request was discarded.
    fn next_reply(&mut self, definition: &ProgramDefinition) -> Result<Option<Option<Vec<u8>>>, NoReply> {
        let reply = match self.replies.next() {
            Ok(Some(reply)) => reply.to_vec(),
            Ok(None) => return Ok(None),
            Err(_) => {
                let message = format!(
                    "reply is longer than {} bytes (--max-result): {}",
                    definition.max_reply,
                    self.replies.quote()
                );
                return Err(self.protocol_error(&message));
            }
        };
        let is_expected = self.requests.answered();
        self.has_replied = true;
        self.new_replies += 1;
        if self.requests.unanswered() == 0 && !self.replies.is_empty() {
            return Err(self.unsolicited());
        }
        Ok(Some(is_expected.then_some(reply)))
    }

    /// Returns an error if there is output although no request is unanswered.
    fn reject_unsolicited(&mut self) -> Result<(), NoReply> {
        if self.requests.unanswered() > 0 || self.is_fresh {
            return Ok(());
        }
        self.read();
        if self.replies.is_empty() { Ok(()) } else { Err(self.unsolicited()) }
    }

    fn unsolicited(&mut self) -> NoReply {
        let quote = self.replies.quote();
        self.protocol_error(&unsolicited_reply(&quote))
    }

    fn protocol_error(&mut self, message: &str) -> NoReply {
        self.process.kill();
        NoReply::Protocol(message.to_owned())
    }

    /// Sends the first piece of the first request and waits until the program has read it.
    fn wait_until_ready(&mut self, definition: &ProgramDefinition) -> Result<(), NoReply> {
        let deadline = Instant::now() + definition.start_timeout;
        let oldest = self.requests.oldest();
        let piece = oldest.len().min(FIRST_PIECE);
        // An empty request is sent with its delimiter, so the program may reply to it.
        let (bytes, may_reply) = if piece == 0 { (1, true) } else { (piece, false) };
        // With a capacity of one page the pipe becomes writable only when it is empty, so poll reports the
        // read.
        let is_signalled = self.requests_to.as_ref().is_some_and(|pipe| pipe::set_capacity(pipe, 1).is_ok());
        self.write_some(bytes);
        loop {
            restart_job_clock();
            self.read();
            let is_read = !self.input_ended && self.unread() == 0;
            if is_read {
                // Output that was written before the piece was read.
                self.read();
            }
            let is_banner =
                if is_read { !may_reply && self.replies.has_complete() } else { !self.replies.is_empty() };
            if is_banner {
                let quote = self.replies.quote();
                return Err(
                    self.protocol_error(&format!("output before the first request was read: {quote}"))
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
            let wait = START_POLL_INTERVAL.min(deadline.saturating_duration_since(Instant::now()));
            self.wait(Some(wait), true, is_signalled);
        }
        if let Some(pipe) = &self.requests_to {
            // If this fails, the pipe stays small and is slower, but works.
            let _ = pipe::set_capacity(pipe, PIPE_CAPACITY);
        }
        self.is_fresh = false;
        self.recorded = Instant::now();
        Ok(())
    }

    /// Number of bytes in the pipe that the program has not read.
    fn unread(&self) -> usize {
        self.requests_to.as_ref().and_then(|pipe| pipe::unread(pipe).ok()).unwrap_or(0)
    }

    /// Writes requests until the pipe is full.
    fn write(&mut self) {
        self.write_some(usize::MAX);
    }

    /// Writes up to `max` bytes of requests.
    fn write_some(&mut self, max: usize) {
        let Some(pipe) = self.requests_to.as_mut().filter(|_| !self.input_ended) else { return };
        let unwritten = self.requests.unwritten();
        let unwritten = &unwritten[..unwritten.len().min(max)];
        if unwritten.is_empty() {
            return;
        }
        match pipe.write(unwritten) {
            Ok(count) => self.requests.note_written(count),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // The program has closed its input. It may still reply to requests that it has read.
            Err(_) => self.input_ended = true,
        }
    }

    /// Reads available output with one system call. Returns whether there was any. Sets `output_ended` at the
    /// end.
    fn read(&mut self) -> bool {
        let space = self.replies.spare_space();
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

    /// Waits until there may be a reply, and reads output.
    fn wait_for_reply(&mut self) -> Result<(), NoReply> {
        self.record_replies();
        if self.output_ended {
            return Err(self.ended());
        }
        let delay = self.depth_control.poll_delay(self.requests.unanswered());
        let has_exited = match delay {
            // Wait for several replies at once.
            Some(delay) => self.wait(Some(delay), false, true),
            None => self.wait(None, true, true),
        };
        // Reading nothing after the exit means that all output has been read. There may be no end of file,
        // because another process can hold the pipe open.
        if !self.read() && has_exited {
            return Err(self.ended());
        }
        Ok(())
    }

    fn record_replies(&mut self) {
        let now = Instant::now();
        self.depth_control.record(std::mem::take(&mut self.new_replies), now - self.recorded);
        self.recorded = now;
    }

    /// Waits for the exit of the program, for replies and for room for requests. Returns whether the program
    /// has exited.
    fn wait(&self, timeout: Option<Duration>, for_replies: bool, for_room: bool) -> bool {
        let mut fds = Vec::with_capacity(3);
        fds.push(PollFd::new(self.process.exit_fd(), PollFlags::POLLIN));
        if for_replies && !self.output_ended {
            fds.push(PollFd::new(self.replies_from.as_fd(), PollFlags::POLLIN));
        }
        let has_more = !self.input_ended && !self.requests.unwritten().is_empty();
        if let Some(pipe) = self.requests_to.as_ref().filter(|_| for_room && has_more) {
            fds.push(PollFd::new(pipe.as_fd(), PollFlags::POLLOUT));
        }
        // An interruption is treated like a timeout: the caller checks the state in any case.
        let _ = ppoll(&mut fds, timeout.map(TimeSpec::from), None);
        fds[0].any().unwrap_or(false)
    }

    /// Determines the reason for the end of the output.
    fn ended(&mut self) -> NoReply {
        if !self.process.wait(EXIT_TIMEOUT) {
            return self.protocol_error("standard output was closed");
        }
        let unread = self.unread();
        let has_read_none = self.requests.are_unread(unread) && self.replies.is_empty();
        if self.has_replied && has_read_none {
            return NoReply::Left(std::mem::take(&mut self.requests));
        }
        if !self.replies.is_empty() && self.process.exited() {
            let message = format!("reply is cut off by the end of the output: {}", self.replies.quote());
            return self.protocol_error(&message);
        }
        self.died("exited before it replied")
    }

    fn died(&mut self, message: &str) -> NoReply {
        let death = self.process.reap();
        NoReply::Died { death, message: message.to_owned(), stderr: self.stderr.tail() }
    }

    /// Ends the program: closes its input, sends SIGTERM after the grace period, and SIGKILL after another
    /// grace period. Returns the start of unsolicited output, if there is any.
    pub(super) fn finish(mut self, grace: Duration) -> Option<String> {
        self.requests_to = None;
        if !self.process.wait(grace) {
            self.process.terminate();
            if !self.process.wait(grace) {
                self.process.kill();
            }
        }
        self.read();
        // Forward the last lines before the worker exits.
        self.stderr.tail();
        let replies = &self.replies;
        (self.requests.unanswered() == 0 && !replies.is_empty()).then(|| replies.quote())
    }
}

/// Restarts the time limit of the current job: the time until the program reads its first request does not
/// count.
fn restart_job_clock() {
    if let Some(page) = sys::shared_page::current() {
        page.restart_clock(sys::clock::now());
    }
}

/// Returns the error message for a reply that violates the JSON protocol.
pub(super) fn invalid_json_reply(reason: &str, reply: &[u8]) -> String {
    format!("reply is not {{\"result\": ...}} or {{\"error\": ...}} ({reason}): {}", quote(reply))
}

/// Returns the error message for a reply without a request; `quote` is the start of the reply.
pub(super) fn unsolicited_reply(quote: &str) -> String {
    format!("reply without a request: {quote}; earlier replies may belong to other requests")
}
