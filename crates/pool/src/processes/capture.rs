//! Captured standard streams of workers.
//!
//! Each captured stream is a pipe per worker, whose reading end is non-blocking. The supervisor waits for the
//! pipes together with everything else, and reads a bounded amount from a pipe that has data before it
//! turns to the next event, so no worker keeps it from the others. While the supervisor is blocked in code
//! of the program, a deputy reads the pipes, because a worker with a full pipe waits. The lock of a stream
//! keeps its lines in order; the supervisor waits for it, deputies do not.
//!
//! After a worker has exited, the supervisor reads what is in the pipe and closes it. It does not wait for
//! the end of the pipe, which processes that the worker has started may hold open for as long as they run.

mod lines;

use std::{
    fs::OpenOptions,
    io::{self, ErrorKind, PipeReader, Read},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use job::WorkerId;
use nix::errno::Errno;
use parking_lot::Mutex;
use sys::{call::CallError, pipe, spawn::ProcessBuilder};

use crate::output::{OutputHandler, OutputLine, OutputStream, WorkerStdio};
use lines::LineBuffer;

const NULL_DEVICE: &str = "/dev/null";

/// Maximum number of bytes that are read from a stream before the other events are handled.
const CHUNK: usize = 32 << 10;

/// Destinations of the standard streams of all workers of a pool.
pub(crate) struct StdioConfig {
    pub(crate) stdout: WorkerStdio,
    pub(crate) stderr: WorkerStdio,
    /// Receiver of captured lines.
    pub(crate) handler: OutputHandler,
}

impl Default for StdioConfig {
    fn default() -> StdioConfig {
        StdioConfig {
            stdout: WorkerStdio::Stderr,
            stderr: WorkerStdio::Inherit,
            handler: OutputHandler::default(),
        }
    }
}

impl StdioConfig {
    /// Returns whether a stream is captured.
    pub(super) fn captures(&self) -> bool {
        [self.stdout, self.stderr].contains(&WorkerStdio::Capture)
    }

    /// Sets the standard streams of a process to be spawned, and returns the ends from which the captured
    /// ones are read.
    pub(super) fn connect(
        &self,
        worker: WorkerId,
        builder: &mut ProcessBuilder,
    ) -> Result<Capture, CallError> {
        let mut capture = Capture { worker, stdout: None, stderr: None };
        let stderr = match self.stderr {
            WorkerStdio::Inherit | WorkerStdio::Stderr => None,
            WorkerStdio::Null => Some(null_device()?),
            WorkerStdio::Capture => Some(capture_stream(&mut capture.stderr)?),
        };
        let stdout = match self.stdout {
            WorkerStdio::Inherit => None,
            WorkerStdio::Null => Some(null_device()?),
            WorkerStdio::Capture => Some(capture_stream(&mut capture.stdout)?),
            WorkerStdio::Stderr => Some(match &stderr {
                Some(stderr) => stderr.try_clone().map_err(not_copied)?,
                None => own_stderr()?,
            }),
        };
        if let Some(stream) = stdout {
            builder.stdout(stream).map_err(not_copied)?;
        }
        if let Some(stream) = stderr {
            builder.stderr(stream).map_err(not_copied)?;
        }
        Ok(capture)
    }
}

fn not_copied(error: io::Error) -> CallError {
    CallError::new("fcntl(F_DUPFD_CLOEXEC)", error)
}

fn null_device() -> Result<OwnedFd, CallError> {
    let opened = OpenOptions::new().write(true).open(NULL_DEVICE);
    opened.map(OwnedFd::from).map_err(|error| CallError::at("open", NULL_DEVICE, error))
}

/// Returns a copy of this program's standard error, or the null device if the program has closed it.
fn own_stderr() -> Result<OwnedFd, CallError> {
    match io::stderr().as_fd().try_clone_to_owned() {
        Err(error) if error.raw_os_error() == Some(Errno::EBADF as i32) => null_device(),
        copied => copied.map_err(not_copied),
    }
}

/// Creates a pipe; returns the end to write to.
fn capture_stream(stream: &mut Option<CapturedStream>) -> Result<OwnedFd, CallError> {
    let (reader, writer) = io::pipe().map_err(|error| CallError::new("pipe2", error))?;
    pipe::set_nonblocking(&reader).map_err(|error| CallError::new("fcntl(F_SETFL)", error))?;
    let reader = Some(reader);
    *stream = Some(CapturedStream(Mutex::new(StreamState { reader, lines: LineBuffer::default() })));
    Ok(writer.into())
}

/// Captured streams of one worker.
pub(super) struct Capture {
    worker: WorkerId,
    stdout: Option<CapturedStream>,
    stderr: Option<CapturedStream>,
}

struct CapturedStream(Mutex<StreamState>);

struct StreamState {
    /// End of the pipe, until the worker has exited.
    reader: Option<PipeReader>,
    lines: LineBuffer,
}

/// Result of reading from a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadResult {
    /// There may be more.
    Open,
    /// All writing ends are closed.
    Ended,
}

impl Capture {
    /// Calls `visit` with each captured stream and the pipe from which it is read.
    pub(super) fn for_each_pipe(&self, mut visit: impl FnMut(OutputStream, BorrowedFd<'_>)) {
        for (stream, captured) in self.streams() {
            if let Some(reader) = &captured.0.lock().reader {
                visit(stream, reader.as_fd());
            }
        }
    }

    /// Reads what a stream has, up to a limit, and passes complete lines on. Called by the supervisor.
    pub(super) fn read(&self, stream: OutputStream, handler: &OutputHandler) -> ReadResult {
        let captured = match stream {
            OutputStream::Stdout => &self.stdout,
            OutputStream::Stderr => &self.stderr,
        };
        let pass = |bytes: &[u8], is_complete: bool| self.pass(handler, stream, bytes, is_complete);
        captured.as_ref().map_or(ReadResult::Ended, |captured| captured.0.lock().read(CHUNK, pass).1)
    }

    /// Reads what the streams have, up to a limit, except those that another thread reads. Called by
    /// deputies.
    pub(super) fn try_read(&self, handler: &OutputHandler) {
        for (stream, captured) in self.streams() {
            if let Some(mut state) = captured.0.try_lock() {
                state.read(CHUNK, |bytes, is_complete| self.pass(handler, stream, bytes, is_complete));
            }
        }
    }

    /// Reads what the worker had written when it exited, passes all lines on, and closes the pipes.
    pub(super) fn finish(&self, handler: &OutputHandler) {
        for (stream, captured) in self.streams() {
            let mut state = captured.0.lock();
            state.finish(|bytes, is_complete| self.pass(handler, stream, bytes, is_complete));
        }
    }

    fn streams(&self) -> impl Iterator<Item = (OutputStream, &CapturedStream)> {
        let stdout = self.stdout.iter().map(|captured| (OutputStream::Stdout, captured));
        stdout.chain(self.stderr.iter().map(|captured| (OutputStream::Stderr, captured)))
    }

    fn pass(&self, handler: &OutputHandler, stream: OutputStream, bytes: &[u8], is_complete: bool) {
        handler.pass(OutputLine::new(self.worker, stream, bytes, is_complete));
    }
}

impl StreamState {
    /// Makes one attempt to read, of at most `limit` bytes; returns the number of bytes that were read.
    fn read(&mut self, limit: usize, pass: impl FnMut(&[u8], bool)) -> (usize, ReadResult) {
        let Some(reader) = &mut self.reader else { return (0, ReadResult::Ended) };
        let mut chunk = [0; CHUNK];
        match reader.read(&mut chunk[..limit.min(CHUNK)]) {
            Ok(0) => (0, ReadResult::Ended),
            Ok(count) => {
                self.lines.push(&chunk[..count], pass);
                (count, ReadResult::Open)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                (0, ReadResult::Open)
            }
            Err(_) => (0, ReadResult::Ended),
        }
    }

    /// Reads the bytes that are in the pipe now: processes that are left may write more, without end.
    fn finish(&mut self, mut pass: impl FnMut(&[u8], bool)) {
        let mut left = self.reader.as_ref().map_or(0, |reader| pipe::unread(reader).unwrap_or(0));
        while left > 0 {
            match self.read(left, &mut pass) {
                (0, _) => break,
                (count, _) => left -= count,
            }
        }
        self.reader = None;
        self.lines.finish(pass);
    }
}
