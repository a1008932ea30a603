//! A job type with payloads of any size, which counts its live values.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

use pool::Job;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
    ser::SerializeSeq,
};

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Returns the number of live [`Bytes`] values in this process.
#[must_use]
pub fn live_count() -> usize {
    LIVE.load(Ordering::SeqCst)
}

/// A byte string with a pattern by which corruption is detected.
#[derive(PartialEq, Eq)]
pub struct Bytes(Vec<u8>);

impl Bytes {
    /// Creates `length` bytes.
    #[must_use]
    pub fn new(length: usize) -> Bytes {
        // 251 is prime: no packet and no page starts like the previous one.
        let pattern: Vec<u8> = (0..251).collect();
        let mut bytes = pattern.repeat(length / pattern.len() + 1);
        bytes.truncate(length);
        Bytes::counted(bytes)
    }

    /// Returns the number of bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.0.len()
    }

    fn counted(bytes: Vec<u8>) -> Bytes {
        LIVE.fetch_add(1, Ordering::SeqCst);
        Bytes(bytes)
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Clone for Bytes {
    fn clone(&self) -> Bytes {
        Bytes::counted(self.0.clone())
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
        impl Visitor<'_> for BytesVisitor {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(Bytes::counted(bytes))
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                self.visit_byte_buf(bytes.to_vec())
            }
        }
        deserializer.deserialize_byte_buf(BytesVisitor)
    }
}

/// A value that encodes to this many MiB without occupying memory.
#[derive(Debug)]
pub struct VirtualBytes(pub usize);

impl Serialize for VirtualBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let chunk = Bytes::new(1 << 20);
        let mut sequence = serializer.serialize_seq(Some(self.0))?;
        (0..self.0).try_for_each(|_| sequence.serialize_element(&chunk))?;
        sequence.end()
    }
}

impl<'de> Deserialize<'de> for VirtualBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<VirtualBytes, D::Error> {
        struct ChunkCounter;
        impl<'de> Visitor<'de> for ChunkCounter {
            type Value = VirtualBytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("chunks")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut chunks: A) -> Result<VirtualBytes, A::Error> {
                let mut count = 0;
                while chunks.next_element::<Bytes>()?.is_some() {
                    count += 1;
                }
                Ok(VirtualBytes(count))
            }
        }
        deserializer.deserialize_seq(ChunkCounter)
    }
}

/// A job with a byte payload.
#[derive(Debug, Serialize, Deserialize)]
pub enum Blob {
    /// Returns the bytes.
    Echo(Bytes),
    /// Returns this many bytes.
    Make(usize),
    /// Fails with this many bytes.
    Fail(usize),
    /// Discards the bytes and returns none.
    Discard(Bytes),
    /// Returns one byte per MiB.
    VirtualBytes(VirtualBytes),
    /// Exits with code 3.
    Exit,
}

impl Job for Blob {
    const NAME: &'static str = "blob";
    type Output = (u64, Bytes);
    type Error = Bytes;
    type Context = ();

    fn run(self, (): &mut ()) -> Result<(u64, Bytes), Bytes> {
        let bytes = match self {
            Blob::Echo(bytes) => bytes,
            Blob::Make(length) => Bytes::new(length),
            Blob::Fail(length) => return Err(Bytes::new(length)),
            Blob::Discard(_) => Bytes::new(0),
            Blob::VirtualBytes(VirtualBytes(chunks)) => Bytes::new(chunks),
            Blob::Exit => std::process::exit(3),
        };
        Ok((std::process::id().into(), bytes))
    }
}
