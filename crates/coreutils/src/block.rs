//! A block of text as a job of the pool.

use pool::Job;
use serde::{Deserialize, Serialize};

use super::{
    block_output::BlockOutput,
    factor, gcd,
    tokens::{Tokens, tokens},
};

/// The operation on the numbers of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Prime factors of each number, on a line of its own.
    Factor {
        /// Format of the text.
        tokens: Tokens,
        /// Print repeated factors as powers.
        exponents: bool,
    },
    /// One greatest common divisor of all operands, or of each line.
    Gcd {
        /// Format of the text.
        tokens: Tokens,
    },
}

/// A part of the text that one worker processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The operation.
    pub(crate) task: Task,
    /// The text. Ends at the end of a number or line.
    #[serde(with = "serde_bytes")]
    pub(crate) text: Vec<u8>,
}

impl Job for Block {
    const NAME: &'static str = "text";
    type Output = BlockOutput;
    type Error = String;
    type Context = ();

    fn run(self, (): &mut ()) -> Result<BlockOutput, String> {
        Ok(match self.task {
            Task::Factor { tokens, exponents } => factor::factor_all(&self.text, tokens, exponents),
            Task::Gcd { tokens: Tokens::Operands } => gcd::of_operands(&self.text),
            Task::Gcd { tokens: Tokens::Stream } => gcd::of_lines(&self.text),
        })
    }
}

impl Block {
    /// Splits the block into parts with one result each: numbers, or lines for `gcd`.
    pub(crate) fn parts(&self) -> Vec<Block> {
        let part = |text: &[u8]| Block { task: self.task, text: text.to_vec() };
        match self.task {
            Task::Factor { tokens: Tokens::Operands, .. } => {
                self.text.split_inclusive(|&byte| byte == 0).map(part).collect()
            }
            Task::Factor { tokens: Tokens::Stream, .. } => {
                tokens(&self.text, Tokens::Stream).map(part).collect()
            }
            Task::Gcd { tokens: Tokens::Operands } => vec![self.clone()],
            Task::Gcd { tokens: Tokens::Stream } => {
                self.text.split_inclusive(|&byte| byte == b'\n').map(part).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_the_same_results_as_the_block() {
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
            let outputs: Vec<BlockOutput> =
                parts.into_iter().map(|part| part.run(&mut ()).unwrap()).collect();
            let lines = outputs.iter().flat_map(|output| output.lines.clone()).collect::<Vec<u8>>();
            let tokens = |output: &BlockOutput| {
                output.errors.iter().map(|error| error.token.clone()).collect::<Vec<_>>()
            };
            let whole = whole.run(&mut ()).unwrap();
            assert_eq!(lines, whole.lines);
            assert_eq!(outputs.iter().flat_map(tokens).collect::<Vec<_>>(), tokens(&whole));
        }
    }
}
