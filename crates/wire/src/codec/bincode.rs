//! bincode, pinned to `=2.0.1`: its format is stable, and the next release is an empty package.

use std::borrow::Cow;

use bincode::{
    config,
    config::Config,
    enc::write::Writer,
    error::{DecodeError, EncodeError},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    bounded::Bounds,
    error::CodecError,
    sink::{LimitExceeded, Sink},
};

struct Appender<'a, 'b>(&'a mut Sink<'b>);

impl Writer for Appender<'_, '_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.append(bytes).map_err(write_error)
    }
}

#[cold]
fn write_error(_: LimitExceeded) -> EncodeError {
    EncodeError::UnexpectedEnd
}

#[inline]
pub(super) fn encode<T: Serialize>(value: &T, into: &mut Sink<'_>) -> Result<(), CodecError> {
    bincode::serde::encode_into_writer(value, Appender(into), config::standard())
        .map_err(|error| CodecError::encoding(encode_message(&error)))
}

/// Returns the message of an error, whose `Display` shows the error as code.
#[cold]
fn encode_message(error: &EncodeError) -> Cow<'_, str> {
    match error {
        EncodeError::Other(message) => Cow::Borrowed(message),
        EncodeError::OtherString(message) => Cow::Borrowed(message),
        EncodeError::UnexpectedEnd => Cow::Borrowed("there is no room for the value"),
        other => Cow::Owned(other.to_string()),
    }
}

/// Returns the message of an error, as above.
#[cold]
fn decode_message(error: &DecodeError) -> Cow<'_, str> {
    match error {
        DecodeError::Other(message) => Cow::Borrowed(message),
        DecodeError::OtherString(message) => Cow::Borrowed(message),
        DecodeError::UnexpectedEnd { .. } => Cow::Borrowed("the bytes end within the value"),
        DecodeError::LimitExceeded => Cow::Borrowed("the value is larger than its bytes allow"),
        DecodeError::Utf8 { inner } => Cow::Owned(format!("invalid text: {inner}")),
        DecodeError::InvalidBooleanValue(value) => Cow::Owned(format!("invalid boolean: {value}")),
        DecodeError::InvalidCharEncoding(_) => Cow::Borrowed("invalid character"),
        other => Cow::Owned(other.to_string()),
    }
}

/// Decodes with a limit on allocations and a limit on elements. Without the first, bincode allocates a string
/// of any claimed length. Without the second, it reads any claimed number of elements that take no bytes.
///
/// The allocation limit is a constant of the configuration's type, so there are four of them. It counts
/// integers at their full width, which is up to sixteen times their encoded size.
#[inline]
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    const KIB: usize = 1 << 10;
    const MIB: usize = 1 << 20;
    match bytes.len() {
        0..=16_384 => decode_within(bytes, config::standard().with_limit::<{ 256 * KIB }>()),
        16_385..=1_048_576 => decode_within(bytes, config::standard().with_limit::<{ 16 * MIB }>()),
        1_048_577..=67_108_864 => decode_within(bytes, config::standard().with_limit::<{ 1024 * MIB }>()),
        _ => decode_within(bytes, config::standard().with_limit::<{ 128 * 1024 * MIB }>()),
    }
}

#[inline]
fn decode_within<T: DeserializeOwned, C: Config>(bytes: &[u8], config: C) -> Result<T, CodecError> {
    let bounds = Bounds::elements_only(bytes.len());
    match bincode::serde::seed_decode_from_slice(bounds.seed(), bytes, config) {
        Ok((value, read)) => CodecError::check_consumed(bytes.len() - read).map(|()| value),
        Err(error) => Err(bounds.decode_error(decode_message(&error))),
    }
}
