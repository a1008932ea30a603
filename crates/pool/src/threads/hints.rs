//! Flags that summarize a pool's state and are read without its lock.

use std::sync::atomic::{AtomicU8, Ordering};

/// A thread without work should claim jobs now.
pub(super) const DUE: u8 = 1;
/// There are jobs in the queue.
pub(super) const PENDING: u8 = 2;
/// There are more threads without work than jobs in the queue.
pub(super) const HAS_IDLE_THREADS: u8 = 4;
/// No job is queued or running.
pub(super) const ALL_IDLE: u8 = 32;
/// There is an idle core for a caller that waits.
pub(super) const HAS_SPARE_CORE: u8 = 16;
/// Jobs are refused.
pub(super) const CLOSED: u8 = 8;

/// Flags as of the last release of the lock.
///
/// They are read for each job and written only when they change. They have two cache lines of their own,
/// because processors fetch lines in pairs.
#[repr(align(128))]
pub(super) struct Hints(AtomicU8);

impl Hints {
    pub(super) fn new(flags: u8) -> Hints {
        Hints(AtomicU8::new(flags))
    }

    /// Returns whether any of these flags is set.
    pub(super) fn any(&self, flags: u8) -> bool {
        self.0.load(Ordering::Acquire) & flags != 0
    }

    /// Stores the flags. The caller holds the lock.
    pub(super) fn publish(&self, flags: u8) {
        if self.0.load(Ordering::Relaxed) != flags {
            self.0.store(flags, Ordering::Release);
        }
    }
}
