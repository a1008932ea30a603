//! Splits text into blocks.
//!
//! Blocks end at white space, after about [`BLOCK_SIZE`] bytes, or earlier if their estimated cost, by the
//! number of digits, reaches [`MAX_BLOCK_US`]. Expensive numbers are thereby distributed over all workers,
//! and their results appear early. Short numbers are not inspected one by one: any window of [`SHORT_WORD`] +
//! 1 bytes at the start of a word contains a separator unless the word is longer than [`SHORT_WORD`] bytes,
//! and the search continues behind the last separator in the window.

use memchr::{memchr, memchr3, memrchr, memrchr3};

use super::{
    block::Task,
    tokens::{Tokens, is_separator},
};

/// Size of a block of short numbers, in bytes: a few milliseconds of work, and an output that fits into one
/// packet.
const BLOCK_SIZE: usize = 16 << 10;

/// Length up to which the cost of a word is negligible, in bytes.
const SHORT_WORD: usize = 12;

/// Limit of the estimated cost of a block in microseconds, unless a single number costs more.
const MAX_BLOCK_US: u64 = 4_000;

/// Number of bytes of short numbers with an estimated cost of 1 us.
const SHORT_BYTES_PER_US: u64 = 25;

/// Bounds of the next block of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockBounds {
    /// Length in bytes.
    pub(super) length: usize,
    /// Estimated cost in microseconds.
    pub(super) cost_us: u64,
    /// True if more text would not make the block larger.
    pub(super) is_full: bool,
}

/// Returns the next block of `text`, which starts where a block may start; `None` if more text must be read
/// first. `ended` means that the text is complete.
pub(super) fn next_block(task: Task, text: &[u8], ended: bool) -> Option<BlockBounds> {
    if text.is_empty() {
        return None;
    }
    match task {
        Task::Factor { tokens, .. } => words(tokens, text, ended),
        Task::Gcd { tokens: Tokens::Stream } => lines(text, ended),
        Task::Gcd { tokens: Tokens::Operands } => ended.then(|| whole(text)),
    }
}

/// Returns whether a block could end in this piece of text.
pub(super) fn has_end(task: Task, piece: &[u8]) -> bool {
    let end = match task {
        Task::Factor { tokens: Tokens::Stream, .. } => memchr3(b' ', b'\t', b'\n', piece),
        Task::Factor { tokens: Tokens::Operands, .. } => memchr(0, piece),
        Task::Gcd { tokens: Tokens::Stream } => memchr(b'\n', piece),
        Task::Gcd { tokens: Tokens::Operands } => None,
    };
    end.is_some()
}

fn whole(text: &[u8]) -> BlockBounds {
    BlockBounds { length: text.len(), cost_us: cost_of_short(text.len()), is_full: true }
}

fn words(tokens: Tokens, text: &[u8], ended: bool) -> Option<BlockBounds> {
    let (mut at, mut hard_us) = (0, 0);
    let is_end = |byte: u8| match tokens {
        Tokens::Stream => is_separator(byte),
        Tokens::Operands => byte == 0,
    };
    // `at` is at the start of a word or at a separator.
    while at < text.len().min(BLOCK_SIZE) {
        let Some(window) = text.get(at..=at + SHORT_WORD) else { break };
        if let Some(last) = window.iter().rposition(|&byte| is_end(byte)) {
            at += last + 1;
            continue;
        }
        let rest = &text[at + SHORT_WORD..];
        let Some(more) = end_of_word(tokens, rest).or(ended.then_some(rest.len())) else { break };
        let cost_us = cost_of_word(SHORT_WORD + more);
        // An expensive word gets a block of its own, so that other words do not wait for it.
        let has_words = || !text[..at].iter().all(|&byte| is_end(byte));
        if (cost_us >= MAX_BLOCK_US || hard_us + cost_us > MAX_BLOCK_US) && has_words() {
            return Some(BlockBounds { length: at, cost_us: hard_us + cost_of_short(at), is_full: true });
        }
        hard_us += cost_us;
        at = (at + SHORT_WORD + more + 1).min(text.len());
        if hard_us >= MAX_BLOCK_US {
            break;
        }
    }
    let is_full = at >= BLOCK_SIZE || hard_us >= MAX_BLOCK_US;
    let length = match (is_full, ended) {
        (true, _) => at,
        (false, true) => text.len(),
        (false, false) => at + last_end(tokens, &text[at..]),
    };
    (length > 0).then(|| BlockBounds {
        length,
        cost_us: hard_us + cost_of_short(length),
        is_full: is_full || ended,
    })
}

/// Offset of the first separator.
fn end_of_word(tokens: Tokens, text: &[u8]) -> Option<usize> {
    match tokens {
        Tokens::Stream => memchr3(b' ', b'\t', b'\n', text),
        Tokens::Operands => memchr(0, text),
    }
}

/// Length of the text up to and including its last separator.
fn last_end(tokens: Tokens, text: &[u8]) -> usize {
    let last = match tokens {
        Tokens::Stream => memrchr3(b' ', b'\t', b'\n', text),
        Tokens::Operands => memrchr(0, text),
    };
    last.map_or(0, |last| last + 1)
}

fn lines(text: &[u8], ended: bool) -> Option<BlockBounds> {
    let within = &text[..text.len().min(BLOCK_SIZE)];
    let last = memrchr(b'\n', within).or_else(|| memchr(b'\n', text));
    let length = match last {
        Some(last) if text.len() >= BLOCK_SIZE || !ended => last + 1,
        _ if ended => text.len(),
        _ => return None,
    };
    let is_full = ended || text.len() >= BLOCK_SIZE;
    Some(BlockBounds { length, cost_us: cost_of_short(length), is_full })
}

fn cost_of_short(bytes: usize) -> u64 {
    bytes as u64 / SHORT_BYTES_PER_US
}

/// Estimated cost of factoring a word of this length, in microseconds.
fn cost_of_word(bytes: usize) -> u64 {
    match bytes {
        ..=SHORT_WORD => 0,
        13..=16 => 5,
        17..=20 => 20,
        21..=25 => 1_500,
        _ => MAX_BLOCK_US,
    }
}

#[cfg(test)]
mod tests {
    use pool::Job;
    use proptest::prelude::*;

    use super::*;
    use crate::{block::Block, block_output::BlockOutput};

    const FACTOR: Task = Task::Factor { tokens: Tokens::Stream, exponents: false };
    const GCD: Task = Task::Gcd { tokens: Tokens::Stream };

    /// Lengths of the blocks of a complete text.
    fn lengths(task: Task, mut text: &[u8]) -> Vec<usize> {
        let mut found = Vec::new();
        while let Some(bounds) = next_block(task, text, true) {
            found.push(bounds.length);
            text = &text[bounds.length..];
        }
        found
    }

    #[test]
    fn short_numbers_share_blocks_that_end_after_white_space() {
        let text = (1..20_000).map(|n| format!("{n}\n")).collect::<String>().into_bytes();
        let (mut at, found) = (0, lengths(FACTOR, &text));
        for length in &found {
            at += length;
            assert_eq!(text[at - 1], b'\n');
            assert!(*length <= BLOCK_SIZE + SHORT_WORD + 1);
        }
        assert_eq!((at, found.len()), (text.len(), text.len().div_ceil(BLOCK_SIZE)));
    }

    #[test]
    fn expensive_numbers_get_their_own_blocks() {
        let hard = format!("{}\n", "7".repeat(40)).repeat(3);
        assert_eq!(lengths(FACTOR, hard.as_bytes()), [41, 41, 41]);
        assert_eq!(lengths(FACTOR, format!("\n {hard}").as_bytes()), [43, 41, 41]);
        assert_eq!(lengths(FACTOR, format!("1 2\n3 {hard}4").as_bytes()), [6, 41, 41, 41, 1]);
        let of_20_digits = format!("{}\n", "7".repeat(20)).repeat(1_000);
        assert_eq!(lengths(FACTOR, of_20_digits.as_bytes())[..2], [200 * 21, 200 * 21]);
    }

    #[test]
    fn an_incomplete_word_or_line_waits_for_the_rest() {
        assert_eq!(next_block(FACTOR, b"12", false), None);
        assert_eq!(next_block(FACTOR, b"12", true).unwrap().length, 2);
        assert_eq!(next_block(FACTOR, b"12 1", false).unwrap().length, 3);
        assert_eq!(next_block(FACTOR, &[b'7'; 100_000], false), None);
        assert_eq!(next_block(GCD, b"12 15", false), None);
        assert_eq!(next_block(GCD, b"12 15\n1", false).unwrap().length, 6);
        let long = [vec![b' '; 2 * BLOCK_SIZE], b"7\n8\n".to_vec()].concat();
        assert_eq!(lengths(GCD, &long), [2 * BLOCK_SIZE + 2, 2]);
    }

    /// Splits text that arrives in pieces as early as possible, and runs the blocks.
    fn output_in_pieces(task: Task, text: &[u8], sizes: &[usize]) -> BlockOutput {
        let (mut all, mut buffer, mut rest) = (BlockOutput::default(), Vec::new(), text);
        let mut sizes = sizes.iter().copied().cycle();
        loop {
            let (piece, later) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
            buffer.extend_from_slice(piece);
            rest = later;
            while let Some(bounds) = next_block(task, &buffer, rest.is_empty()) {
                let text = buffer.drain(..bounds.length).collect();
                let output = Block { task, text }.run(&mut ()).unwrap();
                let before = all.lines.len();
                all.lines.extend(output.lines);
                all.errors.extend(output.errors.into_iter().map(|mut error| {
                    error.at += before;
                    error
                }));
            }
            if rest.is_empty() {
                assert!(buffer.is_empty());
                return all;
            }
        }
    }

    const WORD: &str = "[0-9]{1,9}|[0-9]{12,16}|-?[0-9]{0,3}|0{20,30}[0-9]|x[ \t\n]*|\r|2{1,3}\n";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn the_output_does_not_depend_on_the_pieces_of_the_input(
            words in prop::collection::vec(WORD, 0..200),
            separators in prop::collection::vec("[ \t\n]{1,3}", 1..5),
            sizes in prop::collection::vec(1usize..300, 1..5),
        ) {
            let separators = separators.iter().cycle();
            let words = words.iter().zip(separators);
            let text: String = words.flat_map(|(word, end)| [word.as_str(), end]).collect();
            for task in [FACTOR, GCD] {
                let whole = Block { task, text: text.clone().into_bytes() }.run(&mut ()).unwrap();
                prop_assert_eq!(output_in_pieces(task, text.as_bytes(), &sizes), whole);
            }
        }
    }
}
