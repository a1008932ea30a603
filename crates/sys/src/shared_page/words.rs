//! What lies in the fixed memory of a page's files.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

use job::BatchId;

use super::layout::{ARENA_START, WITHOUT_RINGS};
use crate::stage_timer::StageTimer;

/// A word on a cache line of its own, or on the pair of lines that processors fetch together.
#[repr(C, align(128))]
#[derive(Debug)]
pub(super) struct Line(pub(super) AtomicU64);

/// What lies at the start of the parent's file; written by the parent only. All of it is valid when zero.
#[repr(C)]
pub(super) struct Orders {
    /// Begin with no further job of batches below this number. Published before `running` and `ahead` are read; see
    /// [`barrier`](crate::barrier).
    pub(super) recalled: AtomicU64,
    /// Run no further job of the batches at hand.
    pub(super) halted: AtomicBool,
    /// There are cores to spare.
    pub(super) calm: AtomicBool,
    /// No more jobs will come.
    pub(super) closed: AtomicBool,
    pub(super) request_head: Line,
    pub(super) request_writer_asleep: Line,
    pub(super) reply_tail: Line,
    pub(super) reply_reader_asleep: Line,
}

/// What lies at the start of the worker's file; written by the worker, but for the start and the end of the lane. All of it is
/// valid when zero.
#[repr(C)]
pub(super) struct Cells {
    /// The low half of the batch's number above the job's index in it plus one; 0 between jobs.
    pub(super) running: AtomicU64,
    /// The same for the last job that has begun ahead of its turn.
    pub(super) ahead: AtomicU64,
    /// When the running job started; written for jobs with a time limit only.
    pub(super) since: AtomicU64,
    /// One more than `running` was when an allocation failed; 0 if none has.
    pub(super) starved: AtomicU64,
    /// The low half of a batch's number above the number of bytes that are kept of its outcomes.
    pub(super) kept: AtomicU64,
    /// The place in its batch of the job whose outcome is kept first. Changed only while nothing is kept.
    pub(super) kept_from: AtomicU32,
    /// Number of programs that the worker has started and keeps for several jobs.
    pub(super) programs: AtomicU32,
    /// Number of those that took the place of another.
    pub(super) programs_replaced: AtomicU32,
    pub(super) request_tail: Line,
    pub(super) request_reader_asleep: Line,
    pub(super) reply_head: Line,
    pub(super) reply_writer_asleep: Line,
    /// What the worker spends its time on; begun by the parent before there is a worker, and ended by it.
    pub(super) lane: StageTimer,
}

const _: () = assert!(size_of::<Cells>() <= ARENA_START);
const _: () = assert!(size_of::<Orders>() <= WITHOUT_RINGS.requests.fixed.get());

/// The word that stands for a job.
#[inline]
pub(super) fn place(batch: BatchId, index: u32) -> u64 {
    (u64::from(low_half(batch)) << 32) | (u64::from(index) + 1)
}

/// The low half of the batch's number and the place of the job in it; `None` for no job.
pub(super) fn from_place(word: u64) -> Option<(u32, u32)> {
    let index = u32::try_from(word & u64::from(u32::MAX)).ok()?.checked_sub(1)?;
    Some((u32::try_from(word >> 32).ok()?, index))
}

#[inline]
pub(super) fn low_half(batch: BatchId) -> u32 {
    (batch.0 & u64::from(u32::MAX)) as u32
}
