//! JSON, by serde_json: text, fields and variants by their names.
//!
//! Every value comes back as it was, or is refused: a `Some` that holds `None`, `()` or a struct without fields, because all
//! are one null; numbers that are not finite; map keys that are neither text, numbers, truth values nor variants without
//! fields. Integers of 128 bits are exact, floating-point numbers are written with the digits that bring them back. Byte strings
//! are arrays of numbers.

use serde::{
    Serialize,
    de::{DeserializeOwned, DeserializeSeed},
};

use super::{
    CodecError,
    bounded::Bounds,
    checked::{Checked, Rules},
};

/// There is one null, and no word for what is no number.
struct Json;

impl Rules for Json {
    const NULLS: bool = true;
    const EMPTY_STRUCTS_ARE_NULL: bool = true;
    const FINITE: bool = true;
}

#[inline(never)]
pub(super) fn encode<T: Serialize>(value: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
    serde_json::to_writer(into, &Checked::<T, Json>::new(value)).map_err(CodecError::encoding)
}

#[inline(never)]
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    // It lets space pass behind the value, of which nothing is ever written.
    CodecError::unless_read(bytes.len() - bytes.trim_ascii_end().len())?;
    let bounds = Bounds::of(bytes.len());
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = bounds.seed().deserialize(&mut reader).map_err(|error| bounds.reason(error))?;
    reader.end().map_err(CodecError::decoding)?;
    Ok(value)
}
