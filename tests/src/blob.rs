//! A job type with as many bytes as a test needs, which knows how many of its values are alive.

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

static LIVING: AtomicUsize = AtomicUsize::new(0);

/// How many [`Bytes`] there are in this process.
#[must_use]
pub fn living() -> usize {
    LIVING.load(Ordering::SeqCst)
}

/// A number of bytes that tell whether they have been changed.
#[derive(PartialEq, Eq)]
pub struct Bytes(Vec<u8>);

impl Bytes {
    /// So many bytes.
    #[must_use]
    pub fn new(length: usize) -> Bytes {
        // 251 is prime: no packet and no page starts like the one before.
        let pattern: Vec<u8> = (0..251).collect();
        let mut bytes = pattern.repeat(length / pattern.len() + 1);
        bytes.truncate(length);
        Bytes::counted(bytes)
    }

    /// How many bytes it is.
    #[must_use]
    pub fn length(&self) -> usize {
        self.0.len()
    }

    fn counted(bytes: Vec<u8>) -> Bytes {
        LIVING.fetch_add(1, Ordering::SeqCst);
        Bytes(bytes)
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        LIVING.fetch_sub(1, Ordering::SeqCst);
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
        struct Taker;
        impl Visitor<'_> for Taker {
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
        deserializer.deserialize_byte_buf(Taker)
    }
}

/// So many MiB that take up no memory in themselves.
#[derive(Debug)]
pub struct Void(pub usize);

impl Serialize for Void {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let piece = Bytes::new(1 << 20);
        let mut sequence = serializer.serialize_seq(Some(self.0))?;
        (0..self.0).try_for_each(|_| sequence.serialize_element(&piece))?;
        sequence.end()
    }
}

impl<'de> Deserialize<'de> for Void {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Void, D::Error> {
        struct Counter;
        impl<'de> Visitor<'de> for Counter {
            type Value = Void;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("pieces")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut pieces: A) -> Result<Void, A::Error> {
                let mut count = 0;
                while pieces.next_element::<Bytes>()?.is_some() {
                    count += 1;
                }
                Ok(Void(count))
            }
        }
        deserializer.deserialize_seq(Counter)
    }
}

/// A job with bytes.
#[derive(Debug, Serialize, Deserialize)]
pub enum Blob {
    /// Yields the bytes.
    Echo(Bytes),
    /// Yields so many bytes.
    Make(usize),
    /// Reports so many bytes.
    Fail(usize),
    /// Takes the bytes and yields none.
    Swallow(Bytes),
    /// Yields as many bytes as there are pieces.
    Void(Void),
    /// Exits.
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
            Blob::Swallow(_) => Bytes::new(0),
            Blob::Void(Void(pieces)) => Bytes::new(pieces),
            Blob::Exit => std::process::exit(3),
        };
        Ok((std::process::id().into(), bytes))
    }
}
