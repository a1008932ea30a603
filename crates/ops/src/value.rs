//! Results of built-in jobs.

use numtheory::Natural;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{command::CommandOutput, sleep::Seconds};

/// Result of a built-in job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// A number.
    Natural(Natural),
    /// Several numbers, in order.
    Naturals(Vec<Natural>),
    /// The requested duration, as it was written in the job.
    Seconds(Seconds),
    /// Exit status and output of a program.
    Command(Box<CommandOutput>),
    /// A program's reply, unchanged and without the delimiter.
    Text(ByteBuf),
    /// The result in a program's reply: compact JSON, with numbers unchanged.
    Json(ByteBuf),
}

impl Value {
    /// Approximate length of the value as text, in bytes.
    ///
    /// ```
    /// use ops::Value;
    ///
    /// assert_eq!(Value::Naturals([2u64, 3, 11].map(Into::into).to_vec()).text_bytes(), 7);
    /// ```
    #[must_use]
    pub fn text_bytes(&self) -> u64 {
        match self {
            Value::Natural(number) => number.digits(),
            Value::Naturals(numbers) => numbers.iter().map(|number| number.digits() + 1).sum(),
            Value::Seconds(seconds) => seconds.as_str().len() as u64,
            Value::Text(reply) | Value::Json(reply) => reply.len() as u64,
            Value::Command(output) => json_bytes(&output.stdout) + json_bytes(&output.stderr),
        }
    }
}

/// Length of a text as a JSON string in bytes, without quotes.
fn json_bytes(text: &str) -> u64 {
    let of_byte = |byte| match byte {
        b'"' | b'\\' | 0x08 | b'\t' | b'\n' | 0x0c | b'\r' => 2,
        ..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(of_byte).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_escapes() {
        assert_eq!(json_bytes("a\"\\\n\u{1}\u{e4}"), 1 + 3 * 2 + 6 + 2);
    }
}
