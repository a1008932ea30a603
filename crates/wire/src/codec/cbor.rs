//! CBOR, by ciborium. Fields and variants are encoded by name.
//!
//! A value is restored exactly, or encoding it fails. Encoding fails for a `Some` that holds `None`, `()` or
//! a unit struct, since all of these are encoded as null. Integers of 128 bits are bignums.

use std::fmt::Display;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    bounded::Bounded,
    checked::{Checked, Restrictions},
    error::CodecError,
    sink::Sink,
};

/// `None`, `()` and unit structs are encoded as null.
struct Cbor;

impl Restrictions for Cbor {
    const UNITS_ARE_NULL: bool = true;
    const UNIT_STRUCTS_ARE_NULL: bool = true;
}

#[inline(never)]
pub(super) fn encode<T: Serialize>(value: &T, into: &mut Sink<'_>) -> Result<(), CodecError> {
    ciborium::into_writer(&Checked::<T, Cbor>::new(value), into)
        .map_err(|error| CodecError::encoding(encode_message(error)))
}

/// Returns the message of an error, whose `Display` shows the error as code.
#[cold]
fn encode_message(error: ciborium::ser::Error<impl Display>) -> String {
    match error {
        ciborium::ser::Error::Io(error) => error.to_string(),
        ciborium::ser::Error::Value(message) => message,
    }
}

/// Returns the message of an error, as above.
#[cold]
fn decode_message(error: ciborium::de::Error<impl Display>) -> String {
    match error {
        ciborium::de::Error::Io(error) => error.to_string(),
        ciborium::de::Error::Syntax(offset) => format!("invalid CBOR at byte {offset}"),
        ciborium::de::Error::Semantic(_, message) => message,
        ciborium::de::Error::RecursionLimitExceeded => "value is nested too deeply".to_owned(),
    }
}

/// Decodes with a buffer of at least the size of the input: types that request a string or bytes by reference
/// can only get what fits into the buffer.
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
    let Bounded(value) = read.map_err(|error| CodecError::decoding(decode_message(error)))?;
    CodecError::check_consumed(bytes.len())?;
    Ok(value)
}
