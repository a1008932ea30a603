//! Where a block ends.
//!
//! Blocks end at white space, after about [`BLOCK`] bytes, or earlier if what is in them takes long, by the digits of the
//! numbers: hard numbers then run on all workers and appear soon. Short numbers are not looked at one by one: a
//! word of more than [`SHORT`] bytes leaves no separator in any [`SHORT`] + 1 bytes from its start on, and the last separator in so
//! many bytes is found by looking at a few.

use memchr::{memchr, memchr3, memrchr, memrchr3};

use super::{
    block::{Task, Tokens},
    factor::is_separator,
};

/// The bytes of a block of short numbers: some milliseconds of work, and an answer that travels in one packet.
const BLOCK: usize = 16 << 10;

/// Words of up to so many bytes cost next to nothing each.
const SHORT: usize = 12;

/// What a block may cost, in microseconds as the cutter estimates them, unless a single number costs more.
const MOST_US: u64 = 4_000;

/// So many bytes of short numbers are estimated at a microsecond.
const BYTES_A_US: u64 = 25;

/// The next block of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// Its bytes.
    pub(super) length: usize,
    /// What it may cost, in microseconds.
    pub(super) cost_us: u64,
    /// Whether more text would not make it larger.
    pub(super) is_full: bool,
}

/// The next block of the text, which begins where one may begin; `None` if more has to be read first. With `ended` nothing more
/// will come, and whatever is there is whole.
pub(super) fn cut(task: Task, text: &[u8], ended: bool) -> Option<Cut> {
    if text.is_empty() {
        return None;
    }
    match task {
        Task::Factor { tokens, .. } => words(tokens, text, ended),
        Task::Gcd { tokens: Tokens::Stream } => lines(text, ended),
        Task::Gcd { tokens: Tokens::Operands } => ended.then(|| whole(text)),
    }
}

/// Whether a block could end in this piece of text.
pub(super) fn has_end(task: Task, piece: &[u8]) -> bool {
    let end = match task {
        Task::Factor { tokens: Tokens::Stream, .. } => memchr3(b' ', b'\t', b'\n', piece),
        Task::Factor { tokens: Tokens::Operands, .. } => memchr(0, piece),
        Task::Gcd { tokens: Tokens::Stream } => memchr(b'\n', piece),
        Task::Gcd { tokens: Tokens::Operands } => None,
    };
    end.is_some()
}

fn whole(text: &[u8]) -> Cut {
    Cut { length: text.len(), cost_us: cost_of_short(text.len()), is_full: true }
}

fn words(tokens: Tokens, text: &[u8], ended: bool) -> Option<Cut> {
    let (mut at, mut hard_us) = (0, 0);
    let is_end = |byte: u8| match tokens {
        Tokens::Stream => is_separator(byte),
        Tokens::Operands => byte == 0,
    };
    // Always at the start of a word, or on a separator.
    while at < text.len().min(BLOCK) {
        let Some(window) = text.get(at..=at + SHORT) else { break };
        if let Some(last) = window.iter().rposition(|&byte| is_end(byte)) {
            at += last + 1;
            continue;
        }
        let rest = &text[at + SHORT..];
        let Some(more) = end_of_word(tokens, rest).or(ended.then_some(rest.len())) else { break };
        let cost_us = cost_of_word(SHORT + more);
        // What may take long keeps nothing else waiting.
        let has_words = || !text[..at].iter().all(|&byte| is_end(byte));
        if (cost_us >= MOST_US || hard_us + cost_us > MOST_US) && has_words() {
            return Some(Cut { length: at, cost_us: hard_us + cost_of_short(at), is_full: true });
        }
        hard_us += cost_us;
        at = (at + SHORT + more + 1).min(text.len());
        if hard_us >= MOST_US {
            break;
        }
    }
    let is_full = at >= BLOCK || hard_us >= MOST_US;
    let length = match (is_full, ended) {
        (true, _) => at,
        (false, true) => text.len(),
        (false, false) => at + last_end(tokens, &text[at..]),
    };
    (length > 0).then(|| Cut { length, cost_us: hard_us + cost_of_short(length), is_full: is_full || ended })
}

/// How far into the text its first separator is.
fn end_of_word(tokens: Tokens, text: &[u8]) -> Option<usize> {
    match tokens {
        Tokens::Stream => memchr3(b' ', b'\t', b'\n', text),
        Tokens::Operands => memchr(0, text),
    }
}

/// The length of the text up to its last separator, that included.
fn last_end(tokens: Tokens, text: &[u8]) -> usize {
    let last = match tokens {
        Tokens::Stream => memrchr3(b' ', b'\t', b'\n', text),
        Tokens::Operands => memrchr(0, text),
    };
    last.map_or(0, |last| last + 1)
}

fn lines(text: &[u8], ended: bool) -> Option<Cut> {
    let within = &text[..text.len().min(BLOCK)];
    let last = memrchr(b'\n', within).or_else(|| memchr(b'\n', text));
    let length = match last {
        Some(last) if text.len() >= BLOCK || !ended => last + 1,
        _ if ended => text.len(),
        _ => return None,
    };
    let is_full = ended || text.len() >= BLOCK;
    Some(Cut { length, cost_us: cost_of_short(length), is_full })
}

fn cost_of_short(bytes: usize) -> u64 {
    bytes as u64 / BYTES_A_US
}

/// What a word of so many bytes may cost to factor.
fn cost_of_word(bytes: usize) -> u64 {
    match bytes {
        ..=SHORT => 0,
        13..=16 => 5,
        17..=20 => 20,
        21..=25 => 1_500,
        _ => MOST_US,
    }
}

#[cfg(test)]
mod tests {
    use pool::Job;
    use proptest::prelude::*;

    use super::*;
    use crate::text::block::{Answer, Block};

    const FACTOR: Task = Task::Factor { tokens: Tokens::Stream, exponents: false };
    const GCD: Task = Task::Gcd { tokens: Tokens::Stream };

    /// The lengths of the blocks of a whole text.
    fn lengths(task: Task, mut text: &[u8]) -> Vec<usize> {
        let mut found = Vec::new();
        while let Some(cut) = cut(task, text, true) {
            found.push(cut.length);
            text = &text[cut.length..];
        }
        found
    }

    #[test]
    fn short_numbers_go_together_and_blocks_end_behind_white_space() {
        let text = (1..20_000).map(|n| format!("{n}\n")).collect::<String>().into_bytes();
        let (mut at, found) = (0, lengths(FACTOR, &text));
        for length in &found {
            at += length;
            assert_eq!(text[at - 1], b'\n');
            assert!(*length <= BLOCK + SHORT + 1);
        }
        assert_eq!((at, found.len()), (text.len(), text.len().div_ceil(BLOCK)));
    }

    #[test]
    fn hard_numbers_go_alone_and_those_between_in_small_groups() {
        let hard = format!("{}\n", "7".repeat(40)).repeat(3);
        assert_eq!(lengths(FACTOR, hard.as_bytes()), [41, 41, 41]);
        assert_eq!(lengths(FACTOR, format!("\n {hard}").as_bytes()), [43, 41, 41]);
        assert_eq!(lengths(FACTOR, format!("1 2\n3 {hard}4").as_bytes()), [6, 41, 41, 41, 1]);
        let of_20_digits = format!("{}\n", "7".repeat(20)).repeat(1_000);
        assert_eq!(lengths(FACTOR, of_20_digits.as_bytes())[..2], [200 * 21, 200 * 21]);
    }

    #[test]
    fn a_word_or_line_that_is_not_whole_waits_for_the_rest() {
        assert_eq!(cut(FACTOR, b"12", false), None);
        assert_eq!(cut(FACTOR, b"12", true).unwrap().length, 2);
        assert_eq!(cut(FACTOR, b"12 1", false).unwrap().length, 3);
        assert_eq!(cut(FACTOR, &[b'7'; 100_000], false), None);
        assert_eq!(cut(GCD, b"12 15", false), None);
        assert_eq!(cut(GCD, b"12 15\n1", false).unwrap().length, 6);
        let long = [vec![b' '; 2 * BLOCK], b"7\n8\n".to_vec()].concat();
        assert_eq!(lengths(GCD, &long), [2 * BLOCK + 2, 2]);
    }

    /// Cuts what arrives in pieces, each block as soon as there is one, and runs the blocks.
    fn answer_in_pieces(task: Task, text: &[u8], sizes: &[usize]) -> Answer {
        let (mut all, mut held, mut rest) = (Answer::default(), Vec::new(), text);
        let mut sizes = sizes.iter().copied().cycle();
        loop {
            let (piece, later) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
            held.extend_from_slice(piece);
            rest = later;
            while let Some(cut) = cut(task, &held, rest.is_empty()) {
                let text = held.drain(..cut.length).collect();
                let answer = Block { task, text }.run(&mut ()).unwrap();
                let before = all.lines.len();
                all.lines.extend(answer.lines);
                all.flaws.extend(answer.flaws.into_iter().map(|mut flaw| {
                    flaw.at += before;
                    flaw
                }));
            }
            if rest.is_empty() {
                assert!(held.is_empty());
                return all;
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn however_the_input_arrives_the_output_is_the_same(
            words in prop::collection::vec("[0-9]{1,9}|[0-9]{12,16}|-?[0-9]{0,3}|0{20,30}[0-9]|x[ \t\n]*|\r|2{1,3}\n", 0..200),
            separators in prop::collection::vec("[ \t\n]{1,3}", 1..5),
            sizes in prop::collection::vec(1usize..300, 1..5),
        ) {
            let separators = separators.iter().cycle();
            let text: String = words.iter().zip(separators).flat_map(|(word, end)| [word.as_str(), end]).collect();
            for task in [FACTOR, GCD] {
                let whole = Block { task, text: text.clone().into_bytes() }.run(&mut ()).unwrap();
                prop_assert_eq!(answer_in_pieces(task, text.as_bytes(), &sizes), whole);
            }
        }
    }
}
