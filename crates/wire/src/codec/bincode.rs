//! bincode, in one place: `=2.0.1`, whose format is stable and whose successor is an empty package.

use bincode::{config, config::Config, enc::write::Writer, error::EncodeError};
use serde::{Serialize, de::DeserializeOwned};

use super::{CodecError, bounded::Bounds};

struct Appender<'a>(&'a mut Vec<u8>);

impl Writer for Appender<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

#[inline]
pub(super) fn encode<T: Serialize>(value: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
    bincode::serde::encode_into_writer(value, Appender(into), config::standard())
        .map_err(CodecError::encoding)
}

/// Decodes under a limit, because bincode allocates a string of whatever length the bytes claim, and within a number of
/// elements, because it reads a list of values that take no bytes for as long as they claim.
///
/// The limit is a constant of its type, so there are a few. It counts an integer at its full width, up to sixteen
/// times what it takes up here.
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
    let bounds = Bounds::of_elements(bytes.len());
    match bincode::serde::seed_decode_from_slice(bounds.seed(), bytes, config) {
        Ok((value, read)) => CodecError::unless_read(bytes.len() - read).map(|()| value),
        Err(error) => Err(bounds.reason(error)),
    }
}
