//! A ring, as both of its sides see it.

use std::sync::atomic::AtomicU64;

use crate::memory_file::MemoryFile;

/// A ring of bytes from one process to the other, and the words that they share about it. Positions count bytes from the
/// start of the ring's life.
#[derive(Clone, Copy, Debug)]
pub struct RingMemory<'a> {
    /// Position behind the last byte that was published; written by the producer.
    pub head: &'a AtomicU64,
    /// Position behind the last byte that was consumed; written by the consumer.
    pub tail: &'a AtomicU64,
    /// Not 0 while the consumer sleeps until there are bytes; written by the consumer.
    pub reader_asleep: &'a AtomicU64,
    /// Not 0 while the producer sleeps until there is room; written by the producer.
    pub writer_asleep: &'a AtomicU64,
    pub(super) memory: &'a MemoryFile,
}

impl RingMemory<'_> {
    /// Capacity, in bytes.
    #[must_use]
    #[inline]
    pub fn capacity(&self) -> usize {
        self.memory.capacity()
    }

    /// Copies bytes into the ring; for its producer, into room that the consumer has left.
    ///
    /// # Panics
    /// If they are more than the capacity.
    #[inline]
    pub fn copy_in(&self, position: u64, bytes: &[u8]) {
        self.memory.copy_in(position, bytes);
    }

    /// Appends `length` bytes of the ring to `buffer`, as they are at the moment: what the other process writes meanwhile may
    /// come out in part.
    ///
    /// # Panics
    /// If `length` is larger than the capacity.
    #[inline]
    pub fn copy_out(&self, position: u64, length: usize, buffer: &mut Vec<u8>) {
        self.memory.copy_out(position, length, buffer);
    }
}
