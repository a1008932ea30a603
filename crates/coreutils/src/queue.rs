//! Blocks in flight, whose outputs are taken in the order of the text.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};
use pool::{
    future::Outcome,
    stream::{Resolved, Sink},
};

use super::{block::Block, error::InputError};

/// Limit of the text in flight in bytes, unless it is a single block. Outputs are at most a few times as
/// long.
const MAX_BYTES: usize = 1 << 20;

/// Limit of blocks in flight: the number of blocks that can finish behind an expensive one.
const MAX_BLOCKS: usize = 1 << 10;

/// A bounded queue between the reader thread and the writer.
#[derive(Default)]
pub(super) struct BlockQueue {
    state: Mutex<QueueState>,
    /// Signalled when a block has been removed.
    space: Condvar,
    /// Signalled when the first block has an outcome, or the input has ended.
    ready: Condvar,
}

#[derive(Default)]
struct QueueState {
    /// Number of the first block in flight.
    first: u64,
    in_flight: VecDeque<QueuedBlock>,
    bytes: usize,
    ended: Option<Result<(), InputError>>,
}

struct QueuedBlock {
    block: Block,
    outcome: Option<Outcome<Block>>,
}

/// The next event for the writer.
pub(super) enum QueueEvent {
    /// A block and its outcome.
    Done(Block, Outcome<Block>),
    /// The end: all input has been read, or reading failed.
    End(Result<(), InputError>),
}

impl BlockQueue {
    /// Waits for space and adds a block; returns the tag for its outcome.
    pub(super) fn push(&self, block: Block) -> u64 {
        let mut state = self.state.lock();
        let has_room = |state: &QueueState| {
            state.in_flight.is_empty()
                || state.in_flight.len() < MAX_BLOCKS && state.bytes + block.text.len() <= MAX_BYTES
        };
        while !has_room(&state) {
            self.space.wait(&mut state);
        }
        state.bytes += block.text.len();
        state.in_flight.push_back(QueuedBlock { block, outcome: None });
        state.first + state.in_flight.len() as u64 - 1
    }

    /// Number of blocks in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.state.lock().in_flight.len()
    }

    /// Ends the queue: no more blocks follow.
    pub(super) fn end(&self, result: Result<(), InputError>) {
        self.state.lock().ended = Some(result);
        self.ready.notify_one();
    }

    /// Waits for the outcome of the first block, or for the end.
    pub(super) fn next(&self) -> QueueEvent {
        let mut state = self.state.lock();
        loop {
            if let Some(entry) = state.in_flight.front_mut() {
                if let Some(outcome) = entry.outcome.take() {
                    let block = state.pop();
                    self.space.notify_one();
                    return QueueEvent::Done(block, outcome);
                }
            } else if let Some(result) = state.ended.take() {
                return QueueEvent::End(result);
            }
            self.ready.wait(&mut state);
        }
    }
}

impl QueueState {
    /// Removes the first block.
    fn pop(&mut self) -> Block {
        let block = self.in_flight.pop_front().map(|entry| entry.block).expect("the queue is not empty");
        self.first += 1;
        self.bytes -= block.text.len();
        block
    }
}

impl Sink<Block> for BlockQueue {
    fn resolve(&self, resolved: Vec<Resolved<Block>>) {
        let mut state = self.state.lock();
        let first = state.first;
        for Resolved { tag, outcome } in resolved {
            let entry = usize::try_from(tag - first).ok().and_then(|place| state.in_flight.get_mut(place));
            entry.expect("only blocks in flight have outcomes").outcome = Some(outcome);
        }
        if state.in_flight.front().is_some_and(|entry| entry.outcome.is_some()) {
            self.ready.notify_one();
        }
    }
}
