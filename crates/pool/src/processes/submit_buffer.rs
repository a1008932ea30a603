//! Submit buffer: encoded jobs of one producer that are not yet known to the scheduler.
//!
//! Pushing a job takes the buffer's own lock, not the pool's, and allocates no memory per job. Buffers are
//! flushed to the scheduler under the pool's lock: by the producer if the pool is idle or the buffer is full,
//! and otherwise by the thread that finds that a worker has run out of jobs (see `flush_policy`).

use std::{
    cell::Cell,
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use job::{Job, JobError};
use parking_lot::Mutex;
use wire::{
    CodecError, CodecKind,
    batch::encode_entry,
    transfer::{Files, collect},
};

use super::{
    block::{Block, OutcomeTarget},
    time_accounting::CallerTimes,
};
use crate::{
    JobOptions,
    future::{Control, Slot, Slots},
    pressure::{Granted, Permit},
};

/// Number of jobs, and of bytes, at which a buffer is flushed even if no worker has capacity.
const FLUSH_JOBS: usize = 1024;
const FLUSH_BYTES: usize = 48 * 1024;

/// Number of slots that are allocated together.
const SLOTS_PER_BLOCK: usize = 256;

/// Jobs that are not yet known to the scheduler. The buffer's lock may be taken while the pool's is held,
/// never the other way round.
pub(crate) struct SubmitBuffer<J: Job> {
    buffered: Mutex<BufferedJobs<J>>,
    /// Set when the pool no longer flushes this buffer, so that each push has to. Written under the lock.
    sealed: AtomicBool,
    callers: Arc<CallerTimes>,
}

struct BufferedJobs<J: Job> {
    /// The block that is being filled.
    block: Block<J>,
    /// Blocks before it, which were closed because their slots were used up or a large job followed.
    full: Vec<Block<J>>,
    /// Number of slots of the block that are in use.
    slots_taken: usize,
}

/// When to flush the buffer after a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlushHint {
    /// At once.
    Now,
    /// When a worker has capacity.
    Later,
    /// The job was not added, because it cannot be encoded.
    NotAdded,
}

/// Error of encoding a job. It has the size of a pointer, so that results that contain it are returned in
/// registers: moving a larger one takes longer than encoding a short job.
#[derive(Debug)]
pub(crate) struct EncodeError(Box<CodecError>);

impl EncodeError {
    #[cold]
    fn new(error: CodecError) -> EncodeError {
        EncodeError(Box::new(error))
    }

    pub(crate) fn into_job_error<E>(self) -> JobError<E> {
        JobError::Codec(self.0.to_string().into())
    }
}

thread_local! {
    static SCRATCH: Cell<Scratch> = const { Cell::new(Scratch(Vec::new())) };
}

/// Buffer that a job is encoded into before the lock is taken, because encoding may take long and may call
/// any code.
#[derive(Default)]
pub(crate) struct Scratch(Vec<u8>);

impl Scratch {
    /// Encodes a job. The caller may take the contents out of the returned buffer. Also returns the files
    /// that the job refers to.
    #[inline]
    fn encode<J: Job>(&mut self, codec: CodecKind, job: &J) -> Result<(&mut Vec<u8>, Files), EncodeError> {
        // The memory of a huge job is not kept for the small ones that follow.
        if self.0.capacity() > FLUSH_BYTES {
            self.0 = Vec::new();
        }
        self.0.clear();
        match collect(|| encode_entry(codec, job, &mut self.0)) {
            (Ok(()), files) => Ok((&mut self.0, files)),
            (Err(error), _) => Err(EncodeError::new(error)),
        }
    }
}

impl<J: Job> SubmitBuffer<J> {
    /// Returns a buffer for jobs whose outcomes all go to `target`.
    pub(crate) fn new(target: OutcomeTarget<J>, callers: Arc<CallerTimes>) -> SubmitBuffer<J> {
        let buffered = BufferedJobs { block: Block::new(target), full: Vec::new(), slots_taken: 0 };
        SubmitBuffer { buffered: Mutex::new(buffered), sealed: AtomicBool::new(false), callers }
    }

    /// Returns a buffer for jobs that each get a slot.
    pub(crate) fn with_slots(callers: Arc<CallerTimes>) -> SubmitBuffer<J> {
        SubmitBuffer::new(OutcomeTarget::Slots(Slots::new(0, None)), callers)
    }

    /// Adds a job; returns when to flush the buffer.
    ///
    /// # Errors
    /// If the job cannot be encoded.
    #[inline]
    pub(crate) fn push(
        &self,
        scratch: &mut Scratch,
        codec: CodecKind,
        (tag, job): (u64, &J),
        options: JobOptions,
    ) -> Result<FlushHint, EncodeError> {
        let start = self.callers.begin_encoding();
        let result = scratch.encode(codec, job).map(|(entry, files)| {
            let mut buffered = self.buffered.lock();
            buffered.append(entry, files, tag, options);
            self.flush_hint(&buffered)
        });
        self.callers.end_encoding(start);
        result
    }

    /// Adds a job and assigns it the next slot; returns `None` if the buffer is sealed. If the job cannot be
    /// encoded, its slot is filled with the error. Uses the permit only if the job is added.
    pub(crate) fn push_with_slot(
        &self,
        codec: CodecKind,
        (job, options): (&J, JobOptions),
        control: &Arc<dyn Control>,
        permit: Option<Permit>,
    ) -> Option<(Slot<J>, FlushHint)> {
        // A serializer may submit a job itself; that call finds an empty scratch buffer.
        let mut scratch = SCRATCH.take();
        let start = self.callers.begin_encoding();
        let result = match scratch.encode(codec, job) {
            Ok((entry, files)) => self.append_with_slot((entry, files), options, control, permit),
            Err(error) => {
                let slots = Slots::new(1, None);
                let slot = Slot::new(&slots, 0);
                slots.fill(0, Err(error.into_job_error()));
                (!self.is_sealed()).then_some((slot, FlushHint::NotAdded))
            }
        };
        self.callers.end_encoding(start);
        SCRATCH.set(scratch);
        result
    }

    #[inline]
    fn append_with_slot(
        &self,
        (entry, files): (&mut Vec<u8>, Files),
        options: JobOptions,
        control: &Arc<dyn Control>,
        permit: Option<Permit>,
    ) -> Option<(Slot<J>, FlushHint)> {
        let mut buffered = self.buffered.lock();
        if self.is_sealed() {
            drop(buffered);
            return None;
        }
        let granted = permit.map(|permit| permit.use_for(1, entry.len()));
        let (slots, place) = buffered.next_slot(control);
        let slot = Slot::new(slots, place);
        buffered.append(entry, files, place as u64, options);
        let hint = self.flush_hint(&buffered);
        drop(buffered);
        granted.into_iter().for_each(Granted::wake);
        Some((slot, hint))
    }

    /// Returns the number of jobs.
    pub(crate) fn count(&self) -> usize {
        self.buffered.lock().count()
    }

    /// Removes and returns all jobs. The caller holds the pool's lock.
    pub(crate) fn drain(&self) -> Vec<Block<J>> {
        let mut buffered = self.buffered.lock();
        let mut blocks = mem::take(&mut buffered.full);
        if !buffered.block.is_empty() {
            blocks.push(buffered.block.take());
        }
        if self.is_sealed() {
            buffered.release_slots();
        }
        blocks
    }

    /// Seals the buffer: from now on each [`push`](SubmitBuffer::push) has to be followed by a flush, and
    /// [`push_with_slot`](SubmitBuffer::push_with_slot) accepts no job.
    pub(crate) fn seal(&self) {
        let mut buffered = self.buffered.lock();
        self.sealed.store(true, Ordering::Release);
        if buffered.block.is_empty() {
            buffered.release_slots();
        }
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    fn flush_hint(&self, buffered: &BufferedJobs<J>) -> FlushHint {
        let bytes = buffered.block.entries.bytes();
        let last_is_large = bytes == 0 && !buffered.full.is_empty();
        let is_full = buffered.count() >= FLUSH_JOBS || bytes >= FLUSH_BYTES || last_is_large;
        if is_full || self.is_sealed() { FlushHint::Now } else { FlushHint::Later }
    }
}

impl<J: Job> BufferedJobs<J> {
    fn count(&self) -> usize {
        self.full.iter().map(|block| block.tags.len()).sum::<usize>() + self.block.tags.len()
    }

    /// Adds a job. A large one, or one with files, gets a block of its own, so that it is moved and not
    /// copied, and its memory is freed when it is resolved.
    #[inline]
    fn append(&mut self, entry: &mut Vec<u8>, files: Files, tag: u64, options: JobOptions) {
        if entry.len() <= FLUSH_BYTES && files.is_empty() {
            return self.block.append(entry, tag, options);
        }
        self.close_block();
        self.block.append_owned(mem::take(entry), tag, options);
        self.block.files = files;
        self.close_block();
    }

    #[cold]
    fn close_block(&mut self) {
        if !self.block.is_empty() {
            let block = self.block.take();
            self.full.push(block);
        }
    }

    /// Drops the unused slots. They refer to the pool, which refers to its buffers, so that neither would
    /// ever be freed.
    fn release_slots(&mut self) {
        if matches!(self.block.target, OutcomeTarget::Slots(_)) {
            self.block.target = OutcomeTarget::Slots(Slots::new(0, None));
        }
    }

    /// Returns the next free slot. Slots outlive a flush of their block: the block that replaces it goes on
    /// with them.
    fn next_slot(&mut self, control: &Arc<dyn Control>) -> (&Arc<Slots<J>>, usize) {
        if !matches!(&self.block.target, OutcomeTarget::Slots(slots) if self.slots_taken < slots.len()) {
            let next = Block::new(OutcomeTarget::Slots(Slots::new(SLOTS_PER_BLOCK, Some(control.clone()))));
            let last = mem::replace(&mut self.block, next);
            self.full.extend(Some(last).filter(|block| !block.is_empty()));
            self.slots_taken = 0;
        }
        let place = self.slots_taken;
        self.slots_taken += 1;
        match &self.block.target {
            OutcomeTarget::Slots(slots) => (slots, place),
            OutcomeTarget::Sink(_) => unreachable!("the block has been replaced by one with slots"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Byte, Ignore};

    const CODEC: CodecKind = CodecKind::ALL[0];

    fn push(buffer: &SubmitBuffer<Byte>) -> Option<(Slot<Byte>, FlushHint)> {
        let control: Arc<dyn Control> = Arc::new(Ignore);
        buffer.push_with_slot(CODEC, (&Byte(7), JobOptions::default()), &control, None)
    }

    fn jobs_of(blocks: &[Block<Byte>]) -> Vec<(usize, usize)> {
        blocks.iter().map(|block| (block.tags.len(), block.entries.count())).collect()
    }

    #[test]
    fn rejected_job_leaves_the_buffer_unchanged() {
        let (closed, open) = (
            SubmitBuffer::with_slots(Arc::default()),
            SubmitBuffer::new(OutcomeTarget::Sink(Arc::new(Ignore)), Arc::default()),
        );
        closed.seal();
        assert!(push(&closed).is_none());
        assert_eq!(
            open.push(&mut Scratch::default(), CODEC, (1, &Byte(8)), JobOptions::default()).unwrap(),
            FlushHint::Later
        );
        let blocks = open.drain();
        assert_eq!((jobs_of(&blocks), blocks[0].entries.slice(0, 1)), (vec![(1, 1)], &[1, 0, 0, 0, 8][..]));
    }

    #[test]
    fn allocates_more_slots_when_a_block_is_used_up() {
        let buffer = SubmitBuffer::with_slots(Arc::default());
        let slots: Vec<_> = (0..10).map(|_| push(&buffer).unwrap()).collect();
        assert_eq!(jobs_of(&buffer.drain()), [(10, 10)]);
        let more: Vec<_> = (0..FLUSH_JOBS - 1).map(|_| push(&buffer).unwrap()).collect();
        assert!(slots.iter().chain(&more).all(|(_, hint)| *hint == FlushHint::Later));
        assert_eq!(push(&buffer).unwrap().1, FlushHint::Now);
        let blocks = jobs_of(&buffer.drain());
        assert_eq!(
            (blocks[0], blocks[1]),
            ((SLOTS_PER_BLOCK - 10, SLOTS_PER_BLOCK - 10), (SLOTS_PER_BLOCK, SLOTS_PER_BLOCK))
        );
        assert_eq!(blocks.iter().map(|(tags, _)| tags).sum::<usize>(), FLUSH_JOBS);
    }

    #[test]
    fn push_into_sealed_buffer_asks_for_a_flush() {
        let buffer = SubmitBuffer::new(OutcomeTarget::Sink(Arc::new(Ignore)), Arc::default());
        buffer.seal();
        assert_eq!(
            buffer.push(&mut Scratch::default(), CODEC, (1, &Byte(8)), JobOptions::default()).unwrap(),
            FlushHint::Now
        );
        assert_eq!(jobs_of(&buffer.drain()), [(1, 1)]);
    }
}
