//! Threads that parse chunks of lines in parallel with the thread that reads them.
//!
//! The reader adds chunks to a queue and removes them in the same order, parsed. A chunk is `Waiting` until a
//! parser or the reader claims it, then `Claimed`, and finally `Parsed`. Chunks are claimed in order. While
//! the oldest chunk is not parsed the reader claims chunks as well, so it blocks only when all chunks are
//! claimed by parsers. A parser needs nothing else to finish a chunk, so the queue cannot deadlock, whatever
//! the number of threads. Without parser threads the reader parses everything, and there are no wake-ups.
//!
//! Each chunk costs two or three short critical sections and at most one wake-up.

use std::{
    collections::VecDeque,
    io, mem,
    sync::Arc,
    thread::{self, JoinHandle},
};

use parking_lot::{Condvar, Mutex};
use pool::{metrics::Stage, settings::available_cores};

use super::parsed_chunk::{LineJob, ParsedChunk, Recycled, TextParser};
use crate::{error::warn, input::Chunk, thread_timers::ThreadTimers};

/// Default maximum number of threads. With three, the reader only reads and submits jobs, which takes it as
/// long as the parsers need to parse.
pub(crate) const MAX_PARSERS: usize = 3;

/// Returns the number of threads that leaves enough cores to the workers.
fn threads_by_cores() -> usize {
    (available_cores() / 4).min(MAX_PARSERS)
}

/// Limit of the bytes of all chunks in the queue, because a line can be long. Above it no chunks are read
/// ahead.
const MAX_BYTES: usize = 1 << 20;

/// Size in bytes from which a chunk is left to a parser: waking a thread takes longer than parsing a smaller
/// chunk.
const MIN_BYTES: usize = 8 * 1024;

/// The reader's side of the queue. Returns parsed chunks in the order in which they were added.
pub(crate) struct Parsers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Determined when it is first needed: counting cores takes as long as parsing some hundred lines.
    max_threads: Option<usize>,
}

struct Shared {
    parser: TextParser,
    queue: Mutex<ParseQueue>,
    /// Notified when a chunk is waiting, or when the queue is closed.
    waiting: Condvar,
    /// Notified when the oldest chunk has been parsed, or a parser has panicked.
    parsed: Condvar,
    timers: Arc<ThreadTimers>,
}

#[derive(Default)]
struct ParseQueue {
    /// Sequence number of the oldest chunk.
    first: u64,
    chunks: VecDeque<ChunkState>,
    /// Number of bytes of all chunks.
    bytes: usize,
    /// Sequence number of the first waiting chunk.
    next: u64,
    /// Number of idle parsers.
    idle: usize,
    /// Allocations of removed chunks, for reuse.
    recycled: Vec<Recycled>,
    closed: bool,
    /// Whether a parser has panicked.
    broken: bool,
}

enum ChunkState {
    Waiting(Chunk),
    Claimed,
    Parsed(ParsedChunk),
}

impl Parsers {
    /// Creates the queue. Up to `max_threads` parser threads, or a suitable number, are started when the
    /// reader cannot keep up.
    pub(crate) fn new(parser: TextParser, max_threads: Option<usize>, timers: Arc<ThreadTimers>) -> Parsers {
        let (queue, waiting, parsed) = (Mutex::default(), Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { parser, queue, waiting, parsed, timers });
        Parsers { shared, threads: Vec::new(), max_threads }
    }

    /// Returns whether the reader should remove a chunk before it adds another.
    pub(crate) fn is_full(&self) -> bool {
        let queue = self.shared.queue.lock();
        queue.chunks.len() > 2 * self.max_threads.unwrap_or(0) || queue.bytes > MAX_BYTES
    }

    /// Adds a chunk, and wakes or starts a parser if that is worthwhile.
    pub(crate) fn add(&mut self, chunk: Chunk) {
        let is_large = chunk.len() >= MIN_BYTES;
        let max_threads = if is_large { *self.max_threads.get_or_insert_with(threads_by_cores) } else { 0 };
        let mut queue = self.shared.queue.lock();
        // The reader parses the oldest chunk itself.
        let is_for_parsers = max_threads > 0 && !queue.chunks.is_empty();
        queue.bytes += chunk.len();
        queue.chunks.push_back(ChunkState::Waiting(chunk));
        let (is_idle, waiting) = (queue.idle > 0, queue.first + queue.chunks.len() as u64 - queue.next);
        drop(queue);
        if is_for_parsers && is_idle {
            self.shared.waiting.notify_one();
        } else if is_for_parsers && waiting > 1 && self.threads.len() < max_threads {
            self.start_thread();
        }
    }

    fn start_thread(&mut self) {
        let (shared, number) = (self.shared.clone(), self.threads.len());
        let spawned = thread::Builder::new()
            .name(format!("runner-parse-{number}"))
            .spawn(move || shared.parse_all(number));
        match spawned {
            Ok(thread) => self.threads.push(thread),
            Err(error) => self.continue_without(&error),
        }
    }

    /// Continues with the threads there are. This makes the run slower, but not different.
    fn continue_without(&mut self, error: &io::Error) {
        self.max_threads = Some(self.threads.len());
        warn(&format!("cannot start a parser thread: {error}"));
    }

    /// Removes the oldest chunk, parsed; `None` if the queue is empty. Parses chunks itself, or blocks, until
    /// it is parsed.
    ///
    /// # Panics
    /// When a parser has panicked.
    pub(crate) fn next(&mut self) -> Option<ParsedChunk> {
        let shared = &*self.shared;
        let mut queue = shared.queue.lock();
        loop {
            assert!(!queue.broken, "a parser thread panicked");
            match mem::replace(queue.chunks.front_mut()?, ChunkState::Claimed) {
                ChunkState::Parsed(parsed) => {
                    queue.remove_oldest(parsed.chunk.len());
                    return Some(parsed);
                }
                ChunkState::Waiting(chunk) => {
                    queue.remove_oldest(chunk.len());
                    let recycled = queue.recycled.pop().unwrap_or_default();
                    drop(queue);
                    return Some(shared.parser.parse_lines(chunk, recycled));
                }
                ChunkState::Claimed => match queue.claim_next() {
                    Some((number, chunk)) => {
                        let recycled = queue.recycled.pop().unwrap_or_default();
                        drop(queue);
                        let parsed = shared.parser.parse_lines(chunk, recycled);
                        queue = shared.queue.lock();
                        queue.store(number, parsed);
                    }
                    None => {
                        shared.timers.reader.timer().enter(Stage::Wait);
                        shared.parsed.wait(&mut queue);
                        shared.timers.reader.timer().enter(Stage::Read);
                    }
                },
            }
        }
    }

    /// Keeps the allocations of a removed chunk for reuse; returns that of its bytes.
    pub(crate) fn recycle(&mut self, parsed: ParsedChunk) -> Vec<u8> {
        let ParsedChunk { chunk, mut jobs, mut invalid_lines } = parsed;
        jobs.clear();
        invalid_lines.clear();
        if jobs.capacity() <= MAX_BYTES / size_of::<LineJob>() {
            self.shared.queue.lock().recycled.push(Recycled { jobs, invalid_lines });
        }
        Some(chunk.into_bytes()).filter(|bytes| bytes.capacity() <= MAX_BYTES).unwrap_or_default()
    }
}

impl Drop for Parsers {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.waiting.notify_all();
        for thread in self.threads.drain(..) {
            // The panic message has been printed already.
            let _ = thread.join();
        }
    }
}

impl ParseQueue {
    fn remove_oldest(&mut self, bytes: usize) {
        self.chunks.pop_front();
        self.bytes -= bytes;
        self.first += 1;
        self.next = self.next.max(self.first);
    }

    /// Claims the oldest waiting chunk; returns it with its sequence number.
    fn claim_next(&mut self) -> Option<(u64, Chunk)> {
        let number = self.next;
        let state = self.chunks.get_mut((number - self.first) as usize)?;
        match mem::replace(state, ChunkState::Claimed) {
            ChunkState::Waiting(chunk) => {
                self.next += 1;
                Some((number, chunk))
            }
            _ => unreachable!("chunks are claimed in order"),
        }
    }

    /// Stores a chunk that was claimed, parsed. Returns whether it is the oldest.
    fn store(&mut self, number: u64, parsed: ParsedChunk) -> bool {
        let place = (number - self.first) as usize;
        self.chunks[place] = ChunkState::Parsed(parsed);
        place == 0
    }
}

impl Shared {
    /// Body of a parser thread.
    fn parse_all(&self, number: usize) {
        let timer = self.timers.parsers.get(number);
        if let Some(timer) = timer {
            timer.begin(Stage::Read);
        }
        let enter = |stage| {
            if let Some(timer) = timer {
                timer.timer().enter(stage);
            }
        };
        let _report = ReportPanic(self);
        let mut queue = self.queue.lock();
        while !queue.closed {
            let Some((number, chunk)) = queue.claim_next() else {
                queue.idle += 1;
                enter(Stage::Wait);
                self.waiting.wait(&mut queue);
                enter(Stage::Read);
                queue.idle -= 1;
                continue;
            };
            let recycled = queue.recycled.pop().unwrap_or_default();
            drop(queue);
            let parsed = self.parser.parse_lines(chunk, recycled);
            queue = self.queue.lock();
            if queue.store(number, parsed) {
                self.parsed.notify_one();
            }
        }
        drop(queue);
        if let Some(timer) = timer {
            timer.end();
        }
    }
}

/// Wakes the reader if a parser panics; otherwise the reader would block forever.
struct ReportPanic<'a>(&'a Shared);

impl Drop for ReportPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.queue.lock().broken = true;
            self.0.parsed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
