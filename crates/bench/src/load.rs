//! The jobs of the sweeps: calibrated work, with and without a payload.

use std::{fmt, hint::black_box, sync::Arc};

use pool::Job;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

/// A job of a sweep.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Load {
    /// Work without a payload.
    Trial {
        /// Number of turns of [`spin`].
        turns: u64,
    },
    /// Work with a payload, which is returned unchanged.
    Payload {
        /// Number of turns of [`spin`].
        turns: u64,
        /// The payload.
        bytes: Bytes,
    },
}

/// Output of a [`Load`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// Result of the work.
    Number(u64),
    /// Result of the work, and the payload of the job.
    Payload(u64, Bytes),
}

impl Job for Load {
    const NAME: &'static str = "bench";
    type Output = Output;
    type Error = String;
    type Context = ();

    fn run(self, (): &mut ()) -> Result<Output, String> {
        Ok(match self {
            Load::Trial { turns } => Output::Number(spin(turns)),
            Load::Payload { turns, bytes } => Output::Payload(spin(turns), bytes),
        })
    }
}

/// Arithmetic in which each turn depends on the one before, so that its time is proportional to the number of
/// turns. A shift comes before each product, because a compiler would merge several linear turns into one.
/// Never inlined, so that all executors run the same instructions.
#[inline(never)]
pub fn spin(turns: u64) -> u64 {
    let mut value = black_box(turns | 1);
    for _ in 0..turns {
        value = (value ^ (value >> 29)).wrapping_mul(6_364_136_223_846_793_005);
    }
    black_box(value)
}

/// Bytes that are encoded as one piece. Shared, so that making many jobs with the same bytes is free and only
/// the transfer of the bytes is measured.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(Arc<Vec<u8>>);

impl Bytes {
    /// Returns `length` bytes in a pattern of period 251, so that no packet and no page starts like the one
    /// before.
    #[must_use]
    pub fn new(length: usize) -> Bytes {
        Bytes(Arc::new((0..251).cycle().take(length).collect()))
    }

    /// All bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Number of bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.0.len()
    }

    /// Returns whether both have the same length and the same byte in each page of 4096 bytes. Comparing all
    /// bytes would take a considerable part of the time of a transfer.
    #[must_use]
    pub fn resemble(&self, others: &Bytes) -> bool {
        const PAGE: usize = 4096;
        let sample = |bytes: &Bytes| bytes.0.iter().step_by(PAGE).chain(bytes.0.last()).copied().collect();
        let [mine, theirs]: [Vec<u8>; 2] = [sample(self), sample(others)];
        self.0.len() == others.0.len() && mine == theirs
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        struct BytesVisitor;
        impl<'de> Visitor<'de> for BytesVisitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(Bytes(Arc::new(bytes)))
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                self.visit_byte_buf(bytes.to_vec())
            }

            // Formats without a byte type, such as JSON, write a list.
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Bytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = list.next_element()? {
                    bytes.push(byte);
                }
                Ok(Bytes(Arc::new(bytes)))
            }
        }
        deserializer.deserialize_byte_buf(BytesVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_returns_what_it_carries() {
        let bytes = Bytes::new(10_000);
        let Ok(Output::Payload(number, returned)) =
            (Load::Payload { turns: 7, bytes: bytes.clone() }).run(&mut ())
        else {
            panic!("no payload in the output")
        };
        assert_eq!((number, returned), (spin(7), bytes));
        assert_eq!(Load::Trial { turns: 7 }.run(&mut ()), Ok(Output::Number(spin(7))));
    }

    #[test]
    fn missing_or_moved_bytes_are_detected() {
        let bytes = Bytes::new(10_000);
        assert!(bytes.resemble(&bytes.clone()) && Bytes::new(0).resemble(&Bytes::new(0)));
        assert!(!bytes.resemble(&Bytes::new(9_999)) && !bytes.resemble(&Bytes::new(0)));
        let moved: Vec<u8> = bytes.0[1..].iter().copied().chain([0]).collect();
        assert!(!bytes.resemble(&Bytes(Arc::new(moved))));
    }

    #[test]
    fn turns_change_the_result() {
        assert_ne!(spin(100), spin(102));
    }
}
