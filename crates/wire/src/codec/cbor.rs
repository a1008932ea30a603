//! CBOR, by ciborium: fields and variants by their names.
//!
//! Every value comes back as it was, or is refused: a `Some` that holds `None`, `()` or a struct without fields, because all
//! are one null. Integers of 128 bits are bignums.

use serde::{Serialize, de::DeserializeOwned};

use super::{
    CodecError,
    bounded::Bounded,
    checked::{Checked, Rules},
};

/// There is one null.
struct Cbor;

impl Rules for Cbor {
    const NULLS: bool = true;
    const EMPTY_STRUCTS_ARE_NULL: bool = true;
}

#[inline(never)]
pub(super) fn encode<T: Serialize>(value: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
    ciborium::into_writer(&Checked::<T, Cbor>::new(value), into).map_err(CodecError::encoding)
}

/// Decodes through a buffer, because types that ask for a borrowed string or bytes get none that the buffer cannot
/// hold; none is longer than all of the bytes.
#[inline(never)]
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() <= 1024 {
        decode_through(&mut [0; 1024], bytes)
    } else {
        decode_through(&mut vec![0; bytes.len()], bytes)
    }
}

fn decode_through<T: DeserializeOwned>(buffer: &mut [u8], mut bytes: &[u8]) -> Result<T, CodecError> {
    let read = ciborium::de::from_reader_with_buffer(&mut bytes, buffer);
    let Bounded(value) = read.map_err(CodecError::decoding)?;
    CodecError::unless_read(bytes.len())?;
    Ok(value)
}
