//! Splits text into tokens.

use serde::{Deserialize, Serialize};

/// Format of a text of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Tokens {
    /// Arguments, each terminated by a NUL; they may contain any other byte.
    Operands,
    /// Numbers separated by white space.
    Stream,
}

/// Returns whether a byte ends a number in a stream. Other kinds of white space do not: `12\r` is not a
/// number.
pub(super) fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n')
}

/// Tokens of a text.
pub(super) fn tokens(text: &[u8], kind: Tokens) -> impl Iterator<Item = &[u8]> {
    let (words, operands) = match kind {
        Tokens::Stream => (Some(words(text)), None),
        Tokens::Operands => (None, Some(operands(text))),
    };
    words.into_iter().flatten().chain(operands.into_iter().flatten())
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| is_separator(byte)).filter(|word| !word.is_empty())
}

/// Operands of a text in the format [`Tokens::Operands`].
pub(super) fn operands(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ended = text.strip_suffix(b"\0").map(|text| text.split(|&byte| byte == 0));
    ended.into_iter().flatten()
}
