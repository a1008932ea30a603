//! A bound on the length of results.

use sys::memory::has_room;

use crate::{BuiltinError, Value};

/// The largest number of bytes that a result may take as text, about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size(pub(crate) u64);

/// Results of up to this many bytes are made without asking for room.
const SHORT: u64 = 1 << 20;

/// Room for a result and its text, as a multiple of the text's bytes.
const ROOM: u64 = 4;

impl Size {
    /// Refuses a result whose parts take more together, or more than there is memory for.
    pub(crate) fn check(self, parts: impl IntoIterator<Item = u64>) -> Result<(), BuiltinError> {
        let bytes = parts.into_iter().fold(0, u64::saturating_add);
        if bytes > self.0 {
            return Err(BuiltinError::TooLarge { limit: self.0 });
        }
        let room = usize::try_from(bytes.saturating_mul(ROOM)).unwrap_or(usize::MAX);
        if bytes > SHORT && !has_room(room) { Err(BuiltinError::NoMemory { bytes }) } else { Ok(()) }
    }

    /// The same result, unless it takes more.
    pub(crate) fn bounded(self, value: Value) -> Result<Value, BuiltinError> {
        let bytes = value.text_bytes();
        if bytes > self.0 { Err(BuiltinError::TooLarge { limit: self.0 }) } else { Ok(value) }
    }
}

impl Value {
    /// The number of bytes that the value takes as text, about.
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

/// The number of bytes that a text takes between the quotes of a JSON string.
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
    use crate::CommandOutput;

    #[test]
    fn escapes_count() {
        assert_eq!(json_bytes("a\"\\\n\u{1}\u{e4}"), 1 + 3 * 2 + 6 + 2);
    }

    #[test]
    fn every_kind_of_result_is_bounded() {
        let output = CommandOutput {
            exit_code: Some(0),
            signal: None,
            stdout: "12345".into(),
            stderr: "67890".into(),
            truncated: false,
        };
        let values = [
            Value::Natural(1_234_567_890u64.into()),
            Value::Naturals(vec![1_234u64.into(), 5_678u64.into()]),
            Value::Command(Box::new(output)),
        ];
        for value in values {
            assert_eq!(Size(10).bounded(value.clone()), Ok(value.clone()));
            assert_eq!(Size(9).bounded(value), Err(BuiltinError::TooLarge { limit: 9 }));
        }
    }
}
