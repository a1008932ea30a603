//! Finished outcomes that a worker saves until it has sent them.
//!
//! The parent reads them after the worker's death, and while the worker runs a long job. In the second case
//! the worker may discard and overwrite them at the same time, so the parent checks afterwards that it has
//! not (a sequence lock, for which the two words serve):
//!
//! - Outcomes are only appended, and the length is published after them.
//! - To discard them, the worker first sets the length to 0, then the index of the next outcome, and
//!   executes a fence. Only then it overwrites them. The index grows within a batch, and each batch has
//!   another number.
//! - The parent reads the index, the batch with the length, and the bytes, executes a fence, and reads the
//!   words once more. If it has copied a byte that was overwritten, it sees at least the length 0; what the
//!   worker publishes after that has another batch or index.

use std::sync::atomic::{Ordering, fence};

use job::BatchId;

use super::{SharedPage, layout::SAVED_START, words::low_half};

/// Outcomes that a worker has finished but not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedOutcomes {
    batch: u32,
    /// Index in its batch of the job with the first outcome.
    pub from: u32,
    /// Consecutive outcomes, encoded as in a message.
    pub bytes: Vec<u8>,
}

impl SavedOutcomes {
    /// Returns true if the outcomes belong to this batch.
    #[must_use]
    pub fn belongs_to(&self, batch: BatchId) -> bool {
        self.batch == low_half(batch)
    }
}

impl SharedPage {
    /// Capacity for saved outcomes, in bytes.
    #[inline]
    pub(super) fn saved_capacity(&self) -> usize {
        self.replies.fixed_size() - SAVED_START
    }

    /// Saves an outcome of a batch behind the `before` bytes already saved of it. Returns `false` if there is
    /// no room. Called by the worker.
    #[must_use]
    #[inline]
    pub fn save_outcome(&self, batch: BatchId, before: usize, outcome: &[u8]) -> bool {
        let Some(end) = before.checked_add(outcome.len()).filter(|&end| end <= self.saved_capacity()) else {
            return false;
        };
        // SAFETY: the range lies within the mapping, behind `WorkerWords`, and is not read before the store
        // below publishes it. `outcome` is this process's private memory, so the two cannot overlap.
        unsafe {
            let arena = self.replies.fixed().as_ptr().add(SAVED_START);
            arena.add(before).copy_from_nonoverlapping(outcome.as_ptr(), outcome.len());
        }
        self.worker_words().saved.store((u64::from(low_half(batch)) << 32) | end as u64, Ordering::Release);
        true
    }

    /// Discards the saved outcomes, which the worker has sent. The next saved outcome is that of the job at
    /// index `from`.
    pub fn clear_saved(&self, from: u32) {
        self.worker_words().saved.store(0, Ordering::Release);
        self.worker_words().saved_from.store(from, Ordering::Release);
        fence(Ordering::Release);
    }

    /// Returns the outcomes that the worker has saved. Returns `None` if there are none, or the worker
    /// discards them at the same time. Called by the parent.
    #[must_use]
    pub fn saved_outcomes(&self) -> Option<SavedOutcomes> {
        let words = self.worker_words();
        let from = words.saved_from.load(Ordering::Acquire);
        let word = words.saved.load(Ordering::Acquire);
        let length = usize::try_from(word & u64::from(u32::MAX)).ok()?;
        if length == 0 || length > self.saved_capacity() {
            return None;
        }
        let mut bytes = vec![0; length];
        // SAFETY: the range lies within the mapping, behind `WorkerWords`. What the worker overwrites at the
        // same time is rejected below, and every bit pattern is a valid byte.
        unsafe {
            let arena = self.replies.fixed().as_ptr().add(SAVED_START);
            bytes.as_mut_ptr().copy_from_nonoverlapping(arena, length);
        }
        fence(Ordering::Acquire);
        let after = words.saved.load(Ordering::Acquire);
        let is_same_batch = (after ^ word) >> 32 == 0 && words.saved_from.load(Ordering::Acquire) == from;
        let is_intact = is_same_batch && after & u64::from(u32::MAX) >= length as u64;
        let batch = u32::try_from(word >> 32).ok()?;
        is_intact.then_some(SavedOutcomes { batch, from, bytes })
    }
}
