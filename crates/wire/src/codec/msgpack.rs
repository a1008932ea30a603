//! MessagePack, by rmp-serde. Fields and variants are encoded by name.
//!
//! Encoding fields by position would take half the space, but then a skipped field shifts the following ones,
//! and `serde(untagged)` cannot decode its own encoding.
//!
//! A value is restored exactly, or encoding it fails. Encoding fails for a `Some` that holds `None` or `()`,
//! since both are encoded as nil. Integers of 128 bits are byte strings of 16 bytes.

use rmp_serde::{Deserializer, Serializer, decode::Error};
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, DeserializeSeed},
};

use super::{
    bounded::Bounds,
    checked::{Checked, Restrictions},
    error::CodecError,
    sink::Sink,
};

/// `None` and `()` are encoded as nil; a unit struct is an empty array.
struct MessagePack;

impl Restrictions for MessagePack {
    const UNITS_ARE_NULL: bool = true;
}

#[inline(never)]
pub(super) fn encode<T: Serialize>(value: &T, into: &mut Sink<'_>) -> Result<(), CodecError> {
    let value = Checked::<T, MessagePack>::new(value);
    value.serialize(&mut Serializer::new(into).with_struct_map()).map_err(CodecError::encoding)
}

#[inline(never)]
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut reader = Deserializer::from_read_ref(bytes);
    let bounds = Bounds::of(bytes.len());
    let value = bounds.seed().deserialize(&mut reader).map_err(|error| bounds.decode_error(error))?;
    // rmp-serde does not report the end position. Reading another value fails with this error if no byte is
    // left.
    match bool::deserialize(&mut reader) {
        Err(Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(CodecError::decoding("trailing bytes")),
    }
}
