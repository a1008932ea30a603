//! JSON, by serde_json. Fields and variants are encoded by name.
//!
//! A value is restored exactly, or encoding it fails. Encoding fails for a `Some` that holds `None`, `()` or
//! a unit struct, since all of these are encoded as null; for numbers that are not finite; and for map keys
//! other than strings, numbers, booleans and unit variants. Integers of 128 bits are exact. Floating-point
//! numbers are written with as many digits as they need to be restored exactly. Byte strings are arrays of
//! numbers.

use serde::{
    Serialize,
    de::{DeserializeOwned, DeserializeSeed},
};

use super::{
    bounded::Bounds,
    checked::{Checked, Restrictions},
    error::CodecError,
    sink::Sink,
};

/// `None`, `()` and unit structs are encoded as null; numbers must be finite.
struct Json;

impl Restrictions for Json {
    const UNITS_ARE_NULL: bool = true;
    const UNIT_STRUCTS_ARE_NULL: bool = true;
    const FINITE_FLOATS: bool = true;
}

#[inline(never)]
pub(super) fn encode<T: Serialize>(value: &T, into: &mut Sink<'_>) -> Result<(), CodecError> {
    serde_json::to_writer(into, &Checked::<T, Json>::new(value)).map_err(CodecError::encoding)
}

#[inline(never)]
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    // serde_json accepts white space after the value, but none is ever written.
    CodecError::check_consumed(bytes.len() - bytes.trim_ascii_end().len())?;
    let bounds = Bounds::of(bytes.len());
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = bounds.seed().deserialize(&mut reader).map_err(|error| bounds.decode_error(error))?;
    reader.end().map_err(CodecError::decoding)?;
    Ok(value)
}
