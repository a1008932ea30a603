//! A ring as seen by both of its sides.

use std::sync::atomic::AtomicU64;

use crate::memory_file::MemoryFile;

/// A ring of bytes from one process to the other, and the words that both share about it. Positions count
/// bytes since the ring was created.
#[derive(Clone, Copy, Debug)]
pub struct RingMemory<'a> {
    /// Position behind the last published byte; written by the producer.
    pub head: &'a AtomicU64,
    /// Position behind the last consumed byte; written by the consumer.
    pub tail: &'a AtomicU64,
    /// Not 0 while the consumer sleeps until there are bytes; written by the consumer.
    pub reader_asleep: &'a AtomicU64,
    /// Not 0 while the producer sleeps until there is room; written by the producer.
    pub writer_asleep: &'a AtomicU64,
    pub(super) memory: &'a MemoryFile,
}

impl RingMemory<'_> {
    /// Returns the capacity in bytes.
    #[must_use]
    #[inline]
    pub fn capacity(&self) -> usize {
        self.memory.capacity()
    }

    /// Copies bytes into the ring at `position`. For the producer only, and only into room that the consumer
    /// has released.
    ///
    /// # Panics
    /// If `bytes` is longer than the capacity.
    #[inline]
    pub fn copy_in(&self, position: u64, bytes: &[u8]) {
        self.memory.copy_in(position, bytes);
    }

    /// Appends `length` bytes of the ring to `buffer`. Bytes that the other process is writing at the same
    /// time may be copied in part.
    ///
    /// # Panics
    /// If `length` is larger than the capacity.
    #[inline]
    pub fn copy_out(&self, position: u64, length: usize, buffer: &mut Vec<u8>) {
        self.memory.copy_out(position, length, buffer);
    }
}
