//! Pickle, Python's format, protocol 3: encoded by serde-pickle and decoded by this crate's own
//! [decoder](super::pickle_decoder).
//!
//! serde-pickle's decoder is meant for trusted files. It rejects integers of 2^63 or more, does not limit
//! nesting, so that a megabyte of brackets overflows the stack, and executes instructions that double its
//! data until memory is exhausted. The decoder of this crate supports only the instructions that the encoder
//! writes.
//!
//! A value is restored exactly, or encoding it fails. Encoding fails for a `Some` that holds `None`, `()` or
//! a unit struct, since all of these are encoded as `None`, and for integers of 128 bits.

use serde::{Serialize, de::DeserializeOwned};
use serde_pickle::{ErrorCode, SerOptions};

use super::{
    bounded::Bounded,
    checked::{Checked, Restrictions},
    error::CodecError,
    pickle_decoder,
    sink::Sink,
};

/// `None`, `()` and unit structs are encoded as `None`. serde-pickle's serializer claims to be
/// human-readable, but ciborium's values, from which types are decoded, do not.
struct Pickle;

impl Restrictions for Pickle {
    const UNITS_ARE_NULL: bool = true;
    const UNIT_STRUCTS_ARE_NULL: bool = true;
    const COMPACT: bool = true;
}

#[inline(never)]
pub(super) fn encode<T: Serialize>(value: &T, into: &mut Sink<'_>) -> Result<(), CodecError> {
    let value = Checked::<T, Pickle>::new(value);
    serde_pickle::to_writer(into, &value, SerOptions::new())
        .map_err(|error| CodecError::encoding(encode_message(error)))
}

/// Returns the message of an error, which calls those of the value errors of decoding.
#[cold]
fn encode_message(error: serde_pickle::Error) -> String {
    match error {
        serde_pickle::Error::Syntax(ErrorCode::Structure(message)) => message,
        error => error.to_string(),
    }
}

#[inline(never)]
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let value = pickle_decoder::decode(bytes).map_err(CodecError::decoding)?;
    // The `Display` of the error shows it as code.
    let message = |ciborium::value::Error::Custom(message)| message;
    value.deserialized().map(|Bounded(value)| value).map_err(|error| CodecError::decoding(message(error)))
}
