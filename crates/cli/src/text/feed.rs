//! Reads, cuts, and has blocks run.

use std::{
    fs::{File, OpenOptions},
    io::{self, Cursor, ErrorKind, Read},
    os::fd::AsFd,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pool::{Executor, JobOptions, Serial, Submitter};
use sys::stream::Blocking;

use super::{
    Front,
    arguments::Work,
    block::{Block, Task},
    crew::{Crew, CrewError},
    cut::{Cut, cut, has_end},
    order::Order,
};

/// How much is read at a time.
const CHUNK: usize = 64 << 10;

/// What is estimated to take no longer, in microseconds, and comes alone, is run here: a worker takes longer to start, or to
/// wake.
const HERE_US: u64 = 1_000;

/// How long to wait for more text while workers have enough to do, in milliseconds.
const PATIENCE_MS: u8 = 1;

/// What ends the input before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum FeedError {
    #[error("error reading input: {}", super::wording::reason(.0))]
    Read(io::Error),
    #[error("memory exhausted")]
    Memory,
    #[error("{0}")]
    Crew(#[from] CrewError),
    #[error("reading broke off")]
    Panicked,
}

/// Starts the thread that reads the operands or, without any, standard input.
pub(super) fn start_feed(
    front: Front,
    work: Work,
    crew: &Arc<Crew>,
    order: &Arc<Order>,
) -> Result<(), CrewError> {
    let source: Box<dyn Source> = match work.operands {
        Some(operands) => Box::new(Cursor::new(operands)),
        None => Box::new(Blocking(standard_input()?)),
    };
    let mut feed = Feed {
        task: work.task,
        source,
        held: Vec::new(),
        crew: crew.clone(),
        order: order.clone(),
        here: Serial::new(()),
        there: None,
    };
    thread::Builder::new().name(format!("runner-{}", front.name())).spawn(move || {
        // Whatever happens here, the writer is told that nothing more will come.
        let result = catch_unwind(AssertUnwindSafe(|| feed.read_all()));
        feed.order.end(result.unwrap_or(Err(FeedError::Panicked)));
    })?;
    Ok(())
}

/// Standard input without a buffer. One that was closed is so again, for reading.
fn standard_input() -> io::Result<File> {
    if sys::startup::input_was_closed() {
        return OpenOptions::new().write(true).open("/dev/null");
    }
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

/// Where text comes from.
trait Source: Read + Send {
    /// Whether reading would not wait, for so many milliseconds at the most.
    fn is_ready(&self, within_ms: u8) -> bool;
}

impl Source for Cursor<Vec<u8>> {
    fn is_ready(&self, _: u8) -> bool {
        true
    }
}

impl Source for Blocking<File> {
    fn is_ready(&self, within_ms: u8) -> bool {
        let mut input = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        // What cannot be asked is read: that tells what is wrong.
        poll(&mut input, PollTimeout::from(within_ms)).map_or(true, |ready| ready > 0)
    }
}

/// What runs blocks elsewhere, and the way in.
struct There {
    pool: Arc<dyn Executor<Block>>,
    submitter: Box<dyn Submitter<Block>>,
}

struct Feed {
    task: Task,
    source: Box<dyn Source>,
    /// What has been read and not been handed over.
    held: Vec<u8>,
    crew: Arc<Crew>,
    order: Arc<Order>,
    /// Runs blocks in this thread.
    here: Serial<Block>,
    /// Has workers run them; there is none before it is needed.
    there: Option<There>,
}

impl Feed {
    fn read_all(&mut self) -> Result<(), FeedError> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = match self.source.read(&mut chunk) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    // What came before it is whole.
                    self.hand_over(true, true)?;
                    return Err(FeedError::Read(error));
                }
            };
            // A number may be of any length.
            self.held.try_reserve(count).map_err(|_| FeedError::Memory)?;
            self.held.extend_from_slice(&chunk[..count]);
            if count == 0 {
                return self.hand_over(true, true);
            }
            // A token that is longer than what can be read at once is not looked through again and again.
            if has_end(self.task, &chunk[..count]) {
                self.hand_over(false, false)?;
                if !self.held.is_empty() && self.nothing_is_near() {
                    self.hand_over(false, true)?;
                }
            }
        }
    }

    /// Whether there is nothing to read. If workers have enough to do, a little time is given to whoever writes it.
    fn nothing_is_near(&self) -> bool {
        let are_busy = self.order.under_way() >= self.crew.workers();
        !self.source.is_ready(if are_busy { PATIENCE_MS } else { 0 })
    }

    /// Hands over full blocks, and with `all` the rest too, as far as it is whole; with `ended` it is.
    fn hand_over(&mut self, ended: bool, all: bool) -> Result<(), FeedError> {
        let mut start = 0;
        while let Some(cut) = cut(self.task, &self.held[start..], ended) {
            if !cut.is_full && !all {
                break;
            }
            let block = Block { task: self.task, text: self.held[start..start + cut.length].to_vec() };
            start += cut.length;
            self.run(block, cut, all && start == self.held.len())?;
        }
        self.held.drain(..start);
        Ok(())
    }

    /// Has a block run; `is_last` if nothing else is there to be run.
    fn run(&mut self, block: Block, cut: Cut, is_last: bool) -> Result<(), FeedError> {
        let is_small = cut.cost_us <= HERE_US && is_last && self.order.under_way() == 0;
        if is_small {
            let tag = self.order.enter(block.clone());
            self.here.submitter(self.order.clone()).push(tag, block, JobOptions::default());
            return Ok(());
        }
        let tag = self.order.enter(block.clone());
        let submitter = self.submitter();
        submitter.push(tag, block, JobOptions::default());
        submitter.flush();
        Ok(())
    }

    /// The way to the workers, or to what has replaced them.
    fn submitter(&mut self) -> &mut dyn Submitter<Block> {
        let pool = self.crew.pool();
        let there = match self.there.take() {
            Some(there) if Arc::ptr_eq(&there.pool, &pool) => there,
            _ => There { submitter: pool.submitter(self.order.clone()), pool },
        };
        &mut *self.there.insert(there).submitter
    }
}
