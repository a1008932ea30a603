//! Pickle, Python's format, protocol 3: written by serde-pickle, and read by a machine of our own.
//!
//! serde-pickle's reader is for trusted files: it reads no integer of 2^63 or more, nests without limit, so a
//! megabyte of brackets overflows the stack, and follows instructions to double what it holds until there is no memory
//! left. Ours knows the instructions that are written here, and no others.
//!
//! Every value comes back as it was, or is refused: a `Some` that holds `None`, `()` or a struct without fields, because all
//! are one `None`, and integers of 128 bits.

use serde::{Serialize, de::DeserializeOwned};
use serde_pickle::SerOptions;

use super::{
    CodecError,
    bounded::Bounded,
    checked::{Checked, Rules},
    pickle_machine::read,
};

/// There is one `None`. The writer takes itself for one of text, which the reader's values do not.
struct Pickle;

impl Rules for Pickle {
    const NULLS: bool = true;
    const EMPTY_STRUCTS_ARE_NULL: bool = true;
    const COMPACT: bool = true;
}

#[inline(never)]
pub(super) fn encode<T: Serialize>(value: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
    let value = Checked::<T, Pickle>::new(value);
    serde_pickle::to_writer(into, &value, SerOptions::new()).map_err(CodecError::encoding)
}

#[inline(never)]
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let value = read(bytes).map_err(CodecError::decoding)?;
    value.deserialized().map(|Bounded(value)| value).map_err(CodecError::decoding)
}
