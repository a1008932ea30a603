//! Blocks under way, and their answers in the order of the text.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};
use pool::{Outcome, Resolved, Sink};

use super::{block::Block, feed::FeedError};

/// The most bytes of text under way, unless it is a single block: answers are at most some times as long.
const MOST_BYTES: usize = 1 << 20;

/// The most blocks under way: behind one that is hard, so many others can be finished.
const MOST_BLOCKS: usize = 1 << 10;

/// Between the thread that reads and the one that writes.
#[derive(Default)]
pub(super) struct Order {
    state: Mutex<State>,
    /// Room has been made.
    left: Condvar,
    /// The next block has an outcome, or the input has ended.
    ready: Condvar,
}

#[derive(Default)]
struct State {
    /// The number of the first block under way.
    first: u64,
    under_way: VecDeque<Entry>,
    bytes: usize,
    ended: Option<Result<(), FeedError>>,
}

struct Entry {
    block: Block,
    outcome: Option<Outcome<Block>>,
}

/// What the writer is to deal with.
pub(super) enum Next {
    /// A block, and what came of it.
    Done(Block, Outcome<Block>),
    /// That was all: the input has ended, or could not be read any further.
    End(Result<(), FeedError>),
}

impl Order {
    /// Takes a block under way as soon as there is room: the number under which its outcome is to come.
    pub(super) fn enter(&self, block: Block) -> u64 {
        let mut state = self.state.lock();
        let has_room = |state: &State| {
            state.under_way.is_empty()
                || state.under_way.len() < MOST_BLOCKS && state.bytes + block.text.len() <= MOST_BYTES
        };
        while !has_room(&state) {
            self.left.wait(&mut state);
        }
        state.bytes += block.text.len();
        state.under_way.push_back(Entry { block, outcome: None });
        state.first + state.under_way.len() as u64 - 1
    }

    /// How many blocks are under way.
    pub(super) fn under_way(&self) -> usize {
        self.state.lock().under_way.len()
    }

    /// No more blocks will come.
    pub(super) fn end(&self, result: Result<(), FeedError>) {
        self.state.lock().ended = Some(result);
        self.ready.notify_one();
    }

    /// Waits for what comes next.
    pub(super) fn next(&self) -> Next {
        let mut state = self.state.lock();
        loop {
            if let Some(entry) = state.under_way.front_mut() {
                if let Some(outcome) = entry.outcome.take() {
                    let block = state.leave();
                    self.left.notify_one();
                    return Next::Done(block, outcome);
                }
            } else if let Some(result) = state.ended.take() {
                return Next::End(result);
            }
            self.ready.wait(&mut state);
        }
    }
}

impl State {
    /// Takes the first block out.
    fn leave(&mut self) -> Block {
        let block = self.under_way.pop_front().map(|entry| entry.block).expect("it has been looked at");
        self.first += 1;
        self.bytes -= block.text.len();
        block
    }
}

impl Sink<Block> for Order {
    fn resolve(&self, resolved: Vec<Resolved<Block>>) {
        let mut state = self.state.lock();
        let first = state.first;
        for Resolved { tag, outcome } in resolved {
            let entry = usize::try_from(tag - first).ok().and_then(|place| state.under_way.get_mut(place));
            entry.expect("only blocks under way have outcomes").outcome = Some(outcome);
        }
        if state.under_way.front().is_some_and(|entry| entry.outcome.is_some()) {
            self.ready.notify_one();
        }
    }
}
