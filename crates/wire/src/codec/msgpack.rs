//! MessagePack, by rmp-serde: fields and variants by their names.
//!
//! By their places fields would take half the room, but then fields that are left out shift the others, and
//! `serde(untagged)` cannot read what it has written. Every value comes back as it was, or is refused: a `Some` that holds
//! `None` or `()`, because both are one nil. Integers of 128 bits are sixteen bytes.

use rmp_serde::{Deserializer, Serializer, decode::Error};
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, DeserializeSeed},
};

use super::{
    CodecError,
    bounded::Bounds,
    checked::{Checked, Rules},
};

/// There is one nil; a struct without fields is an empty array.
struct MessagePack;

impl Rules for MessagePack {
    const NULLS: bool = true;
}

#[inline(never)]
pub(super) fn encode<T: Serialize>(value: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
    let value = Checked::<T, MessagePack>::new(value);
    value.serialize(&mut Serializer::new(into).with_struct_map()).map_err(CodecError::encoding)
}

#[inline(never)]
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut reader = Deserializer::from_read_ref(bytes);
    let bounds = Bounds::of(bytes.len());
    let value = bounds.seed().deserialize(&mut reader).map_err(|error| bounds.reason(error))?;
    // It does not say how far it came, but whether there is another value's first byte.
    match bool::deserialize(&mut reader) {
        Err(Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(CodecError("cannot decode: there are bytes behind the value".into())),
    }
}
