//! postcard. Like bincode, it encodes integers with variable length and no names, but its format is specified
//! and maintained.
//!
//! A value is restored exactly, or coding it fails. It fails for sequences of unknown length
//! (`serde(flatten)`), skipped fields, and types that need a self-describing format (`serde(untagged)`).

use postcard::{Deserializer, ser_flavors::Flavor, serialize_with_flavor};
use serde::{
    Serialize,
    de::{DeserializeOwned, DeserializeSeed},
};

use super::{
    bounded::Bounds,
    checked::{Checked, Restrictions},
    error::CodecError,
    message::error_message,
    sink::Sink,
};

/// Fields are identified by position.
struct Postcard;

impl Restrictions for Postcard {
    const POSITIONAL_FIELDS: bool = true;
}

struct Appender<'a, 'b>(&'a mut Sink<'b>);

impl Flavor for Appender<'_, '_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte).map_err(|_| postcard::Error::SerializeBufferFull)
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.append(bytes).map_err(|_| postcard::Error::SerializeBufferFull)
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[inline(never)]
pub(crate) fn encode<T: Serialize>(value: &T, into: &mut Sink<'_>) -> Result<(), CodecError> {
    let value = Checked::<T, Postcard>::new(value);
    match serialize_with_flavor(&value, Appender(into)) {
        Err(error) if into.is_exceeded() => Err(CodecError::encoding(error)),
        result => result.map_err(|error| encode_error(&value, &error)),
    }
}

/// Returns the reason why encoding failed. postcard drops the message of a custom error.
#[cold]
fn encode_error<T: Serialize>(value: &T, error: &postcard::Error) -> CodecError {
    error_message(value).map_or_else(|| CodecError::encoding(error), CodecError::encoding)
}

#[inline(never)]
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let bounds = Bounds::of(bytes.len());
    let mut reader = Deserializer::from_bytes(bytes);
    let value = bounds.seed().deserialize(&mut reader).map_err(|error| bounds.decode_error(error))?;
    CodecError::check_consumed(reader.finalize().map_err(CodecError::decoding)?.len())?;
    Ok(value)
}
