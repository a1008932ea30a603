//! The output of a block.

use serde::{Deserialize, Serialize};

/// Output of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockOutput {
    /// Lines for standard output.
    #[serde(with = "serde_bytes")]
    pub(crate) lines: Vec<u8>,
    /// Tokens without a result, in order.
    pub(crate) errors: Vec<TokenError>,
}

/// A token without a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenError {
    /// Length of the lines before it, in bytes.
    pub(crate) at: usize,
    /// The token in its original form.
    #[serde(with = "serde_bytes")]
    pub(crate) token: Vec<u8>,
    /// The cause.
    pub(crate) kind: TokenErrorKind,
}

/// Cause for a token without a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TokenErrorKind {
    /// It is not an integer of the required kind.
    NotANumber,
    /// It is 0, which has no prime factors.
    Zero,
}

impl BlockOutput {
    /// Records that a token has no result.
    pub(super) fn add_error(&mut self, token: &[u8], kind: TokenErrorKind) {
        self.errors.push(TokenError { at: self.lines.len(), token: token.to_vec(), kind });
    }
}
