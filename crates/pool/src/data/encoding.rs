//! Encoding of shared data.

use std::fmt;

use bytemuck::Pod;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, SeqAccess, Visitor},
    ser::Error as _,
};
use wire::transfer::{Mode, Reference, mode};

use super::shared::Shared;

/// Shared data between a pool and its worker.
#[derive(Serialize)]
#[serde(rename = "Shared")]
enum Outgoing<'a> {
    Bytes(Bytes<'a>),
    File { pid: u32, fd: u32, length: u64 },
}

#[derive(Deserialize)]
#[serde(rename = "Shared")]
enum Incoming {
    Bytes(ByteBuf),
    File { pid: u32, fd: u32, length: u64 },
}

/// A byte string of serde's data model.
struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// The bytes of items in memory; within a pool, large data as a reference to its file.
impl<T: Pod> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if mode() != Mode::Collect {
            return Bytes(self.as_bytes()).serialize(serializer);
        }
        let file = self.file().map_err(S::Error::custom)?;
        let outgoing = match file {
            None => Outgoing::Bytes(Bytes(self.as_bytes())),
            Some(file) => {
                let Reference { pid, fd, length } = Reference::to(file);
                Outgoing::File { pid, fd, length }
            }
        };
        outgoing.serialize(serializer)
    }
}

impl<'de, T: Pod> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Shared<T>, D::Error> {
        let incoming = match mode() {
            Mode::Plain | Mode::Collect => Incoming::Bytes(ByteBuf::deserialize(deserializer)?),
            Mode::Open | Mode::Received => Incoming::deserialize(deserializer)?,
        };
        let shared = match incoming {
            Incoming::Bytes(ByteBuf(bytes)) => Shared::from_bytes(bytes),
            Incoming::File { pid, fd, length } => {
                Shared::from_large(Reference { pid, fd, length }.resolve().map_err(D::Error::custom)?)
            }
        };
        shared.ok_or_else(|| D::Error::custom("shared data is not a whole number of items"))
    }
}

/// Owned bytes, read from a byte string or a sequence of numbers.
struct ByteBuf(Vec<u8>);

impl<'de> Deserialize<'de> for ByteBuf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ByteBuf, D::Error> {
        deserializer.deserialize_byte_buf(ByteVisitor)
    }
}

struct ByteVisitor;

impl<'de> Visitor<'de> for ByteVisitor {
    type Value = ByteBuf;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<ByteBuf, E> {
        Ok(ByteBuf(bytes.to_vec()))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<ByteBuf, E> {
        Ok(ByteBuf(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<ByteBuf, A::Error> {
        // The length is a claim.
        let mut bytes = Vec::with_capacity(numbers.size_hint().unwrap_or(0).min(1 << 16));
        while let Some(byte) = numbers.next_element()? {
            bytes.push(byte);
        }
        Ok(ByteBuf(bytes))
    }
}
