//! Reads the input, splits it into blocks and runs them.

use std::{
    fs::{File, OpenOptions},
    io::{self, Cursor, ErrorKind, Read},
    os::fd::AsFd,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pool::{Executor, Serial, settings::JobOptions, stream::Submitter};
use sys::stream::Blocking;

use super::{
    arguments::Computation,
    block::{Block, Task},
    chunker::{BlockBounds, has_end, next_block},
    error::InputError,
    front::Front,
    lazy_pool::{LazyPool, SetupError},
    queue::BlockQueue,
};

/// Number of bytes that one call reads.
const READ_SIZE: usize = 64 << 10;

/// Estimated cost in microseconds up to which a single block runs in this thread, because starting or waking
/// a worker takes longer.
const MAX_INLINE_US: u64 = 1_000;

/// Time to wait for more text while all workers have blocks, in milliseconds.
const POLL_TIMEOUT_MS: u8 = 1;

/// Starts the thread that reads the operands or, without any, standard input.
pub(super) fn start_reader(
    front: Front,
    computation: Computation,
    pool: &Arc<LazyPool>,
    queue: &Arc<BlockQueue>,
) -> Result<(), SetupError> {
    let source: Box<dyn TextSource> = match computation.operands {
        Some(operands) => Box::new(Cursor::new(operands)),
        None => Box::new(Blocking(standard_input()?)),
    };
    let mut reader = Reader {
        task: computation.task,
        source,
        buffer: Vec::new(),
        pool: pool.clone(),
        queue: queue.clone(),
        inline: Serial::new(()),
        remote: None,
    };
    thread::Builder::new().name(format!("runner-{}", front.name())).spawn(move || {
        // Also after a panic the writer must get the end of the input.
        let result = catch_unwind(AssertUnwindSafe(|| reader.read_all()));
        reader.queue.end(result.unwrap_or(Err(InputError::Panicked)));
    })?;
    Ok(())
}

/// Opens standard input without a buffer. If it was closed at the start, returns a descriptor that fails to
/// read.
fn standard_input() -> io::Result<File> {
    if sys::startup::input_was_closed() {
        return OpenOptions::new().write(true).open("/dev/null");
    }
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

/// A source of text.
trait TextSource: Read + Send {
    /// Returns whether a read would not block; waits at most `within_ms` milliseconds for that.
    fn is_ready(&self, within_ms: u8) -> bool;
}

impl TextSource for Cursor<Vec<u8>> {
    fn is_ready(&self, _: u8) -> bool {
        true
    }
}

impl TextSource for Blocking<File> {
    fn is_ready(&self, within_ms: u8) -> bool {
        let mut input = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        // If poll fails, the read reports the error.
        poll(&mut input, PollTimeout::from(within_ms)).map_or(true, |ready| ready > 0)
    }
}

/// An executor with workers, and a submitter to it.
struct Remote {
    pool: Arc<dyn Executor<Block>>,
    submitter: Box<dyn Submitter<Block>>,
}

struct Reader {
    task: Task,
    source: Box<dyn TextSource>,
    /// Text that has been read and is not in a block yet.
    buffer: Vec<u8>,
    pool: Arc<LazyPool>,
    queue: Arc<BlockQueue>,
    /// Runs blocks in this thread.
    inline: Serial<Block>,
    /// Runs blocks on workers; `None` until the first such block.
    remote: Option<Remote>,
}

impl Reader {
    fn read_all(&mut self) -> Result<(), InputError> {
        let mut chunk = vec![0; READ_SIZE];
        loop {
            let count = match self.source.read(&mut chunk) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    // The text before the error is complete.
                    self.dispatch(true, true)?;
                    return Err(InputError::Read(error));
                }
            };
            // The length of a number is not limited, so the allocation may fail.
            self.buffer.try_reserve(count).map_err(|_| InputError::Memory)?;
            self.buffer.extend_from_slice(&chunk[..count]);
            if count == 0 {
                return self.dispatch(true, true);
            }
            // A token that is longer than one read is not scanned again for each read.
            if has_end(self.task, &chunk[..count]) {
                self.dispatch(false, false)?;
                if !self.buffer.is_empty() && self.input_is_idle() {
                    self.dispatch(false, true)?;
                }
            }
        }
    }

    /// Returns whether there is nothing to read. If all workers have blocks, waits a little for more text.
    fn input_is_idle(&self) -> bool {
        let are_busy = self.queue.in_flight() >= self.pool.workers();
        !self.source.is_ready(if are_busy { POLL_TIMEOUT_MS } else { 0 })
    }

    /// Runs all full blocks. With `all`, also runs the last one, as far as its numbers are complete; with
    /// `ended` they are.
    fn dispatch(&mut self, ended: bool, all: bool) -> Result<(), InputError> {
        let mut start = 0;
        while let Some(bounds) = next_block(self.task, &self.buffer[start..], ended) {
            if !bounds.is_full && !all {
                break;
            }
            let block = Block { task: self.task, text: self.buffer[start..start + bounds.length].to_vec() };
            start += bounds.length;
            self.run(block, bounds, all && start == self.buffer.len())?;
        }
        self.buffer.drain(..start);
        Ok(())
    }

    /// Runs a block; `is_last` means that no further text is available now.
    fn run(&mut self, block: Block, bounds: BlockBounds, is_last: bool) -> Result<(), InputError> {
        let is_small = bounds.cost_us <= MAX_INLINE_US && is_last && self.queue.in_flight() == 0;
        if is_small {
            let tag = self.queue.push(block.clone());
            self.inline.submitter(self.queue.clone()).push(tag, block, JobOptions::default());
            return Ok(());
        }
        let tag = self.queue.push(block.clone());
        let submitter = self.submitter();
        submitter.push(tag, block, JobOptions::default());
        submitter.flush();
        Ok(())
    }

    /// Returns the submitter of the current executor, which may have replaced the worker processes.
    fn submitter(&mut self) -> &mut dyn Submitter<Block> {
        let pool = self.pool.executor();
        let remote = match self.remote.take() {
            Some(remote) if Arc::ptr_eq(&remote.pool, &pool) => remote,
            _ => Remote { submitter: pool.submitter(self.queue.clone()), pool },
        };
        &mut *self.remote.insert(remote).submitter
    }
}
