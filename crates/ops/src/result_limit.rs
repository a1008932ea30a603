//! Limit on the length of results.

use sys::memory::can_allocate;

use crate::{error::BuiltinError, value::Value};

/// Approximate maximum length of a result as text, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResultLimit(pub(crate) u64);

/// Results of up to this many bytes of text are created without checking the available memory.
const UNCHECKED_BYTES: u64 = 1 << 20;

/// Memory for a result and its text, as a multiple of the bytes of the text.
const MEMORY_FACTOR: u64 = 4;

impl ResultLimit {
    /// Checks the length of a result, given as the lengths of its parts, before it is created.
    ///
    /// # Errors
    /// [`BuiltinError::TooLarge`] if the result exceeds the limit, [`BuiltinError::NoMemory`] if there is not
    /// enough memory for it.
    pub(crate) fn check(self, parts: impl IntoIterator<Item = u64>) -> Result<(), BuiltinError> {
        let bytes = parts.into_iter().fold(0, u64::saturating_add);
        if bytes > self.0 {
            return Err(BuiltinError::TooLarge { limit: self.0 });
        }
        let memory = usize::try_from(bytes.saturating_mul(MEMORY_FACTOR)).unwrap_or(usize::MAX);
        if bytes > UNCHECKED_BYTES && !can_allocate(memory) {
            return Err(BuiltinError::NoMemory { bytes });
        }
        Ok(())
    }

    /// Returns the value if its length is within the limit.
    ///
    /// # Errors
    /// [`BuiltinError::TooLarge`] otherwise.
    pub(crate) fn check_value(self, value: Value) -> Result<Value, BuiltinError> {
        let bytes = value.text_bytes();
        if bytes > self.0 { Err(BuiltinError::TooLarge { limit: self.0 }) } else { Ok(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CommandOutput;

    #[test]
    fn limits_every_kind_of_result() {
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
            assert_eq!(ResultLimit(10).check_value(value.clone()), Ok(value.clone()));
            assert_eq!(ResultLimit(9).check_value(value), Err(BuiltinError::TooLarge { limit: 9 }));
        }
    }
}
