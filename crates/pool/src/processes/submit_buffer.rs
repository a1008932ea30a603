//! Where jobs gather on their way to the scheduler.
//!
//! Whoever submits adds to a gather, which costs neither the pool's lock nor an allocation a job. What has gathered is
//! collected, under the pool's lock, by whoever finds that a worker could have it: the submitter if the pool is idle or
//! there is enough for a batch, and otherwise the thread that learns that a worker has run out of jobs.

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
use wire::{CodecError, CodecKind, batch::encode_entry};

use super::{
    block::{Block, OutcomeTarget},
    time_accounting::CallerTimes,
};
use crate::{
    JobOptions,
    future::{Control, Slot, Slots},
};

/// So many jobs or bytes are collected even if no worker could have them now.
const FLUSH_JOBS: usize = 1024;
const FLUSH_BYTES: usize = 48 * 1024;

/// How many slots are allocated together.
const SLOTS_PER_BLOCK: usize = 256;

/// Jobs that nobody but their submitter knows of yet. Its lock is taken inside the pool's, never the other way round.
pub(crate) struct SubmitBuffer<J: Job> {
    open: Mutex<BufferedJobs<J>>,
    /// Nobody comes by to collect any more. Set under the lock.
    sealed: AtomicBool,
    callers: Arc<CallerTimes>,
}

struct BufferedJobs<J: Job> {
    /// The block that is being filled.
    block: Block<J>,
    /// Those before it, whose slots did not suffice.
    full: Vec<Block<J>>,
    /// How many slots of the block's are taken.
    slots_taken: usize,
}

/// What follows from having added a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlushHint {
    /// Somebody should collect at once.
    Now,
    /// It can wait until a worker could have it.
    Later,
}

/// Why a job cannot be encoded. As small as a pointer, so that results that hold it stay in registers: moving a larger one
/// takes longer than to encode a short job.
#[derive(Debug)]
pub(crate) struct EncodeError(Box<CodecError>);

impl EncodeError {
    #[cold]
    fn new(error: CodecError) -> EncodeError {
        EncodeError(Box::new(error))
    }

    pub(crate) fn into_job_error<E>(self) -> JobError<E> {
        JobError::Codec(self.0.to_string())
    }
}

thread_local! {
    static SCRATCH: Cell<Scratch> = const { Cell::new(Scratch(Vec::new())) };
}

/// Where a job is encoded: not under the lock, because that may take long, and may call anything.
#[derive(Default)]
pub(crate) struct Scratch(Vec<u8>);

impl Scratch {
    /// Encodes a job; what is here afterwards may be taken.
    #[inline]
    fn encode<J: Job>(&mut self, codec: CodecKind, job: &J) -> Result<&mut Vec<u8>, EncodeError> {
        // What a huge job took is not kept for the small ones that follow.
        if self.0.capacity() > FLUSH_BYTES {
            self.0 = Vec::new();
        }
        self.0.clear();
        match encode_entry(codec, job, &mut self.0) {
            Ok(()) => Ok(&mut self.0),
            Err(error) => Err(EncodeError::new(error)),
        }
    }
}

impl<J: Job> SubmitBuffer<J> {
    /// For jobs whose outcomes all go there.
    pub(crate) fn new(target: OutcomeTarget<J>, callers: Arc<CallerTimes>) -> SubmitBuffer<J> {
        let open = BufferedJobs { block: Block::new(target), full: Vec::new(), slots_taken: 0 };
        SubmitBuffer { open: Mutex::new(open), sealed: AtomicBool::new(false), callers }
    }

    /// For jobs that get a slot each.
    pub(crate) fn with_slots(callers: Arc<CallerTimes>) -> SubmitBuffer<J> {
        SubmitBuffer::new(OutcomeTarget::Slots(Slots::new(0, None)), callers)
    }

    /// Adds a job.
    ///
    /// # Errors
    /// When it cannot be encoded.
    #[inline]
    pub(crate) fn push(
        &self,
        scratch: &mut Scratch,
        codec: CodecKind,
        (tag, job): (u64, &J),
        options: JobOptions,
    ) -> Result<FlushHint, EncodeError> {
        let start = self.callers.begin_encoding();
        let added = scratch.encode(codec, job).map(|entry| {
            let mut open = self.open.lock();
            open.append(entry, tag, options);
            self.flush_hint(&open)
        });
        self.callers.end_encoding(start);
        added
    }

    /// Adds a job that gets the next slot; `None` when the gather is sealed. If it cannot be encoded its slot is filled.
    pub(crate) fn push_with_slot(
        &self,
        codec: CodecKind,
        job: &J,
        options: JobOptions,
        control: &Arc<dyn Control>,
    ) -> Option<(Slot<J>, FlushHint)> {
        // A serializer may submit a job itself, which then finds an empty scratch.
        let mut scratch = SCRATCH.take();
        let start = self.callers.begin_encoding();
        let added = match scratch.encode(codec, job) {
            Ok(entry) => self.append_with_slot(entry, options, control),
            Err(error) => {
                let slots = Slots::new(1, None);
                let slot = Slot::new(&slots, 0);
                slots.fill(0, Err(error.into_job_error()));
                (!self.is_sealed()).then_some((slot, FlushHint::Later))
            }
        };
        self.callers.end_encoding(start);
        SCRATCH.set(scratch);
        added
    }

    #[inline]
    fn append_with_slot(
        &self,
        entry: &mut Vec<u8>,
        options: JobOptions,
        control: &Arc<dyn Control>,
    ) -> Option<(Slot<J>, FlushHint)> {
        let mut open = self.open.lock();
        if self.is_sealed() {
            return None;
        }
        let (slots, place) = open.next_slot(control);
        let slot = Slot::new(slots, place);
        open.append(entry, place as u64, options);
        Some((slot, self.flush_hint(&open)))
    }

    /// How many jobs have gathered.
    pub(crate) fn count(&self) -> usize {
        self.open.lock().count()
    }

    /// Everything that has gathered. For those who hold the pool's lock.
    pub(crate) fn drain(&self) -> Vec<Block<J>> {
        let mut open = self.open.lock();
        let mut blocks = mem::take(&mut open.full);
        if !open.block.is_empty() {
            blocks.push(open.block.take());
        }
        if self.is_sealed() {
            open.release_slots();
        }
        blocks
    }

    /// From now on whoever adds a job has to collect it, and [`submit`](Gather::submit) takes none.
    pub(crate) fn seal(&self) {
        let mut open = self.open.lock();
        self.sealed.store(true, Ordering::Release);
        if open.block.is_empty() {
            open.release_slots();
        }
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    fn flush_hint(&self, open: &BufferedJobs<J>) -> FlushHint {
        let is_full = open.count() >= FLUSH_JOBS || open.block.entries.bytes() >= FLUSH_BYTES;
        if is_full || self.is_sealed() { FlushHint::Now } else { FlushHint::Later }
    }
}

impl<J: Job> BufferedJobs<J> {
    fn count(&self) -> usize {
        self.full.iter().map(|block| block.tags.len()).sum::<usize>() + self.block.tags.len()
    }

    /// Adds a job. One that is large begins a block, so that it is not copied.
    #[inline]
    fn append(&mut self, entry: &mut Vec<u8>, tag: u64, options: JobOptions) {
        if entry.len() <= FLUSH_BYTES {
            return self.block.append(entry, tag, options);
        }
        if !self.block.is_empty() {
            let before = self.block.take();
            self.full.push(before);
        }
        self.block.append_owned(mem::take(entry), tag, options);
    }

    /// Slots know the pool, and the pool knows its gathers: neither would ever be dropped.
    fn release_slots(&mut self) {
        if matches!(self.block.target, OutcomeTarget::Slots(_)) {
            self.block.target = OutcomeTarget::Slots(Slots::new(0, None));
        }
    }

    /// The next free slot: the last ones' block may be collected meanwhile, and the next one goes on with them.
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

    const CODEC: CodecKind = CodecKind::Bincode;

    fn push(buffer: &SubmitBuffer<Byte>) -> Option<(Slot<Byte>, FlushHint)> {
        let control: Arc<dyn Control> = Arc::new(Ignore);
        buffer.push_with_slot(CODEC, &Byte(7), JobOptions::default(), &control)
    }

    fn jobs_of(blocks: &[Block<Byte>]) -> Vec<(usize, usize)> {
        blocks.iter().map(|block| (block.tags.len(), block.entries.count())).collect()
    }

    #[test]
    fn a_job_that_is_refused_leaves_nothing_behind() {
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
    fn slots_that_are_used_up_are_followed_by_others() {
        let buffer = SubmitBuffer::with_slots(Arc::default());
        let slots: Vec<_> = (0..10).map(|_| push(&buffer).unwrap()).collect();
        assert_eq!(jobs_of(&buffer.drain()), [(10, 10)]);
        let more: Vec<_> = (0..FLUSH_JOBS - 1).map(|_| push(&buffer).unwrap()).collect();
        assert!(slots.iter().chain(&more).all(|(_, added)| *added == FlushHint::Later));
        assert_eq!(push(&buffer).unwrap().1, FlushHint::Now);
        let blocks = jobs_of(&buffer.drain());
        assert_eq!(
            (blocks[0], blocks[1]),
            ((SLOTS_PER_BLOCK - 10, SLOTS_PER_BLOCK - 10), (SLOTS_PER_BLOCK, SLOTS_PER_BLOCK))
        );
        assert_eq!(blocks.iter().map(|(tags, _)| tags).sum::<usize>(), FLUSH_JOBS);
    }

    #[test]
    fn whoever_comes_after_the_seal_has_to_collect() {
        let buffer = SubmitBuffer::new(OutcomeTarget::Sink(Arc::new(Ignore)), Arc::default());
        buffer.seal();
        assert_eq!(
            buffer.push(&mut Scratch::default(), CODEC, (1, &Byte(8)), JobOptions::default()).unwrap(),
            FlushHint::Now
        );
        assert_eq!(jobs_of(&buffer.drain()), [(1, 1)]);
    }
}
