//! postcard: variable-length integers and no names, as bincode has them, in a format that is specified and maintained.
//!
//! Every value comes back as it was, or is refused: sequences whose length is not known beforehand (`serde(flatten)`), fields
//! that are left out, and types that ask the bytes what they are (`serde(untagged)`).

use postcard::{Deserializer, ser_flavors::Flavor, serialize_with_flavor};
use serde::{
    Serialize,
    de::{DeserializeOwned, DeserializeSeed},
};

use super::{
    CodecError, bincode,
    bounded::Bounds,
    checked::{Checked, Rules},
};

/// Fields stand in order.
struct Postcard;

impl Rules for Postcard {
    const PLACES: bool = true;
}

struct Appender<'a>(&'a mut Vec<u8>);

impl Flavor for Appender<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[inline(never)]
pub(super) fn encode<T: Serialize>(value: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
    let value = Checked::<T, Postcard>::new(value);
    serialize_with_flavor(&value, Appender(into)).map_err(|error| reason(&value, &error))
}

/// Why a value was refused: postcard keeps nobody's words, and bincode, which asks values for the same, does.
#[cold]
fn reason<T: Serialize>(value: &T, error: &postcard::Error) -> CodecError {
    bincode::encode(value, &mut Vec::new()).err().unwrap_or_else(|| CodecError::encoding(error))
}

#[inline(never)]
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let bounds = Bounds::of(bytes.len());
    let mut reader = Deserializer::from_bytes(bytes);
    let value = bounds.seed().deserialize(&mut reader).map_err(|error| bounds.reason(error))?;
    CodecError::unless_read(reader.finalize().map_err(CodecError::decoding)?.len())?;
    Ok(value)
}
