//! Standard output and standard error of worker processes.
//!
//! By default, what a job prints on standard output appears on standard error, so that it is never mixed into
//! the output of the program. [`ProcessPoolBuilder::stdout`](crate::settings::ProcessPoolBuilder::stdout) and
//! [`stderr`](crate::settings::ProcessPoolBuilder::stderr) set other destinations, among them a function of
//! the program that receives each line.

use std::{borrow::Cow, fmt, sync::Arc};

use job::WorkerId;
use wire::catch_panic;

/// Maximum length of a captured line, in bytes: 64 KiB. A longer line is passed in pieces of this length.
pub const MAX_LINE: usize = 64 << 10;

/// Destination of a standard stream of the workers, and of the processes that their jobs start.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{ProcessPool, output::WorkerStdio};
///
/// let quiet = ProcessPool::<Square>::builder().stdout(WorkerStdio::Null).stderr(WorkerStdio::Null);
/// # drop(quiet);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerStdio {
    /// The stream of the same name of this program.
    Inherit,
    /// The standard error of the worker, wherever that goes. For standard error itself, the same as
    /// [`Inherit`](WorkerStdio::Inherit).
    Stderr,
    /// None: what is written is discarded.
    Null,
    /// This program, which reads the stream and passes it line by line to the function that was set with
    /// [`on_output`](crate::settings::ProcessPoolBuilder::on_output).
    Capture,
}

/// Standard stream that a captured line was written to.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{ProcessPool, output::OutputStream};
///
/// let builder = ProcessPool::<Square>::builder().on_output(|line| match line.stream() {
///     OutputStream::Stdout => println!("{}", line.text()),
///     OutputStream::Stderr => eprintln!("{}: {}", line.worker(), line.text()),
/// });
/// # drop(builder);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Line that a worker has written to a captured stream; see
/// [`on_output`](crate::settings::ProcessPoolBuilder::on_output).
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use std::io::{self, Write};
/// use pool::{ProcessPool, output::OutputLine};
///
/// /// Writes a line as the worker has written it.
/// fn forward(line: OutputLine<'_>) {
///     let end = if line.is_complete() { "\n" } else { "" };
///     let _ = io::stderr().write_all(&[line.bytes(), end.as_bytes()].concat());
/// }
///
/// let builder = ProcessPool::<Square>::builder().on_output(forward);
/// # drop(builder);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OutputLine<'a> {
    worker: WorkerId,
    stream: OutputStream,
    bytes: &'a [u8],
    is_complete: bool,
}

impl<'a> OutputLine<'a> {
    pub(crate) fn new(worker: WorkerId, stream: OutputStream, bytes: &'a [u8], is_complete: bool) -> Self {
        OutputLine { worker, stream, bytes, is_complete }
    }

    /// Returns the worker that has written the line.
    #[must_use]
    pub fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Returns the stream that the line was written to.
    #[must_use]
    pub fn stream(&self) -> OutputStream {
        self.stream
    }

    /// Returns the line without its newline; at most [`MAX_LINE`] bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the line as text, with U+FFFD in place of bytes that are not UTF-8.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.bytes)
    }

    /// Returns whether the line ended with a newline. `false` for all pieces but the last one of a line that
    /// is longer than [`MAX_LINE`], and for the last line of a worker that exited without writing a newline.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }
}

impl fmt::Debug for OutputLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputLine")
            .field("worker", &self.worker)
            .field("stream", &self.stream)
            .field("text", &self.text())
            .field("is_complete", &self.is_complete)
            .finish()
    }
}

/// Function that receives the captured lines of a pool. If it panics, the panic is printed and that line is
/// lost to it.
#[derive(Clone)]
pub(crate) struct OutputHandler(Arc<dyn Fn(OutputLine<'_>) + Send + Sync>);

impl OutputHandler {
    pub(crate) fn new(handler: impl Fn(OutputLine<'_>) + Send + Sync + 'static) -> OutputHandler {
        OutputHandler(Arc::new(handler))
    }

    /// Passes a line to the function. The caller must not hold the pool's lock.
    pub(crate) fn pass(&self, line: OutputLine<'_>) {
        if let Err(panic) = catch_panic(|| (self.0)(line)) {
            sys::stream::print_error(&format!("a handler of workers' output panicked: {panic}"));
        }
    }
}

impl Default for OutputHandler {
    /// Returns a function that prints each line to standard error, after the id of the worker.
    fn default() -> OutputHandler {
        OutputHandler::new(|line| {
            sys::stream::print_error(&format!("{}: {}", line.worker, line.text()));
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_handler_is_caught() {
        let handler = OutputHandler::new(|line| panic!("{}", line.text()));
        let worker = WorkerId { slot: 0, generation: 0 };
        handler.pass(OutputLine::new(worker, OutputStream::Stdout, b"of the handler", true));
    }
}
