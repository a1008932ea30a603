//! A block of text as a job.

use ops::BuiltinError;
use pool::Job;
use serde::{Deserialize, Serialize};

use super::{factor, gcd};

/// What to do with the numbers in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Each is factored, on a line of its own.
    Factor {
        /// How they stand in the text.
        tokens: Tokens,
        /// Whether repeated factors are printed as powers.
        exponents: bool,
    },
    /// One greatest common divisor of all operands, or of each line.
    Gcd {
        /// How they stand in the text.
        tokens: Tokens,
    },
}

/// How the numbers stand in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Tokens {
    /// Arguments, each ended by a NUL; they may hold anything else.
    Operands,
    /// As people write them in files, between white space.
    Stream,
}

/// Text that is dealt with as a whole, by one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Block {
    /// What to do with it.
    pub(crate) task: Task,
    /// The text; it ends where a number or line ends.
    #[serde(with = "serde_bytes")]
    pub(crate) text: Vec<u8>,
}

/// What came of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Lines for standard output.
    #[serde(with = "serde_bytes")]
    pub(crate) lines: Vec<u8>,
    /// What could not be done, in order.
    pub(crate) flaws: Vec<Flaw>,
}

/// A token without a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flaw {
    /// How many bytes of the lines come before it.
    pub(crate) at: usize,
    /// The token as it was written.
    #[serde(with = "serde_bytes")]
    pub(crate) token: Vec<u8>,
    /// What is wrong.
    pub(crate) fault: Fault,
}

/// Why a token has no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fault {
    /// It is no integer of the kind that is wanted.
    NoNumber,
    /// It is, and cannot be factored.
    Failed(BuiltinError),
}

impl Answer {
    /// Notes that the token has no result.
    pub(super) fn note(&mut self, token: &[u8], fault: Fault) {
        self.flaws.push(Flaw { at: self.lines.len(), token: token.to_vec(), fault });
    }
}

impl Job for Block {
    const NAME: &'static str = "text";
    type Output = Answer;
    type Error = String;
    type Context = ();

    fn run(self, (): &mut ()) -> Result<Answer, String> {
        Ok(match self.task {
            Task::Factor { tokens, exponents } => factor::factor_all(&self.text, tokens, exponents),
            Task::Gcd { tokens: Tokens::Operands } => gcd::of_operands(&self.text),
            Task::Gcd { tokens: Tokens::Stream } => gcd::of_lines(&self.text),
        })
    }
}

impl Block {
    /// Its parts that have a result each: numbers, or lines for `gcd`.
    pub(crate) fn parts(&self) -> Vec<Block> {
        let part = |text: &[u8]| Block { task: self.task, text: text.to_vec() };
        match self.task {
            Task::Factor { tokens: Tokens::Operands, .. } => {
                self.text.split_inclusive(|&byte| byte == 0).map(part).collect()
            }
            Task::Factor { tokens: Tokens::Stream, .. } => {
                factor::tokens(&self.text, Tokens::Stream).map(part).collect()
            }
            Task::Gcd { tokens: Tokens::Operands } => vec![self.clone()],
            Task::Gcd { tokens: Tokens::Stream } => {
                self.text.split_inclusive(|&byte| byte == b'\n').map(part).collect()
            }
        }
    }
}

/// The operands of a text.
pub(super) fn operands(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ended = text.strip_suffix(b"\0").map(|text| text.split(|&byte| byte == 0));
    ended.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_the_results_of_the_whole() {
        let factor = |tokens| Task::Factor { tokens, exponents: false };
        for (task, text, count) in [
            (factor(Tokens::Stream), b" 12 x\n15".as_slice(), 3),
            (factor(Tokens::Operands), b"12\0\x001 5\x007\0", 4),
            (Task::Gcd { tokens: Tokens::Stream }, b"12 8\n\n9 x\n7", 4),
            (Task::Gcd { tokens: Tokens::Operands }, b"12\x008\0", 1),
        ] {
            let whole = Block { task, text: text.to_vec() };
            let parts = whole.parts();
            assert_eq!(parts.len(), count, "{task:?}");
            let answers: Vec<Answer> = parts.into_iter().map(|part| part.run(&mut ()).unwrap()).collect();
            let lines = answers.iter().flat_map(|answer| answer.lines.clone()).collect::<Vec<u8>>();
            let tokens =
                |answer: &Answer| answer.flaws.iter().map(|flaw| flaw.token.clone()).collect::<Vec<_>>();
            let whole = whole.run(&mut ()).unwrap();
            assert_eq!(lines, whole.lines);
            assert_eq!(answers.iter().flat_map(tokens).collect::<Vec<_>>(), tokens(&whole));
        }
    }
}
