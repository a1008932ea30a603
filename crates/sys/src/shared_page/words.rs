//! Layout of the fixed memory of a page's files.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

use job::BatchId;

use super::layout::{SAVED_START, WITHOUT_RINGS};
use crate::stage_timer::StageTimer;

/// A word on a cache line of its own, or on the pair of lines that processors prefetch together.
#[repr(C, align(128))]
#[derive(Debug)]
pub(super) struct CacheLine(pub(super) AtomicU64);

/// Start of the parent's file; written by the parent only. All zeros is a valid value.
#[repr(C)]
pub(super) struct ParentWords {
    /// Batches below this number are recalled: the worker begins no further job of them. Written before
    /// `running` and `ahead` are read; see [`barrier`](crate::barrier).
    pub(super) recalled_below: AtomicU64,
    /// The worker begins no further job of the batches it has.
    pub(super) halted: AtomicBool,
    /// The worker may poll before it blocks: there are idle cores.
    pub(super) may_spin: AtomicBool,
    /// No more jobs will be sent.
    pub(super) closed: AtomicBool,
    /// Number of messages whose files the parent has opened.
    pub(super) files_taken: AtomicU64,
    pub(super) request_head: CacheLine,
    pub(super) request_writer_asleep: CacheLine,
    pub(super) reply_tail: CacheLine,
    pub(super) reply_reader_asleep: CacheLine,
}

/// Start of the worker's file; written by the worker, except for the start and the end of `stage_timer`. All
/// zeros is a valid value.
#[repr(C)]
pub(super) struct WorkerWords {
    /// The running job: low half of the batch number in the upper half, index of the job plus 1 in the lower
    /// half; 0 between jobs.
    pub(super) running: AtomicU64,
    /// The last job begun ahead of its turn, in the format of `running`.
    pub(super) ahead: AtomicU64,
    /// Start of the running job; written only for batches sent as timed.
    pub(super) since: AtomicU64,
    /// Value of `running` plus 1 when an allocation failed; 0 if none has.
    pub(super) alloc_failed_in: AtomicU64,
    /// Low half of a batch number in the upper half, number of bytes saved of its outcomes in the lower half.
    pub(super) saved: AtomicU64,
    /// Index of the job whose outcome is saved first. Changed only while no outcome is saved.
    pub(super) saved_from: AtomicU32,
    /// Number of programs that the worker has started and reuses for several jobs.
    pub(super) programs: AtomicU32,
    /// Number of those programs that replaced another.
    pub(super) programs_replaced: AtomicU32,
    pub(super) request_tail: CacheLine,
    pub(super) request_reader_asleep: CacheLine,
    pub(super) reply_head: CacheLine,
    pub(super) reply_writer_asleep: CacheLine,
    /// The worker's time per stage; started by the parent before the worker exists, and ended by the parent.
    pub(super) stage_timer: StageTimer,
}

const _: () = assert!(size_of::<WorkerWords>() <= SAVED_START);
const _: () = assert!(size_of::<ParentWords>() <= WITHOUT_RINGS.requests.fixed.get());

/// Packs the position of a job into one word.
#[inline]
pub(super) fn pack_position(batch: BatchId, index: u32) -> u64 {
    (u64::from(low_half(batch)) << 32) | (u64::from(index) + 1)
}

/// Returns the low half of the batch number and the index of the job; `None` if the word stands for no job.
pub(super) fn unpack_position(word: u64) -> Option<(u32, u32)> {
    let index = u32::try_from(word & u64::from(u32::MAX)).ok()?.checked_sub(1)?;
    Some((u32::try_from(word >> 32).ok()?, index))
}

#[inline]
pub(super) fn low_half(batch: BatchId) -> u32 {
    (batch.0 & u64::from(u32::MAX)) as u32
}
