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
    block::{Block, Exit},
    ledger::Callers,
};
use crate::{
    JobOptions,
    future::{Control, Slot, Slots},
};

/// So many jobs or bytes are collected even if no worker could have them now.
const MOST_JOBS: usize = 1024;
const MOST_BYTES: usize = 48 * 1024;

/// How many slots are allocated together.
const SLOTS: usize = 256;

/// Jobs that nobody but their submitter knows of yet. Its lock is taken inside the pool's, never the other way round.
pub(crate) struct Gather<J: Job> {
    open: Mutex<Open<J>>,
    /// Nobody comes by to collect any more. Set under the lock.
    sealed: AtomicBool,
    callers: Arc<Callers>,
}

struct Open<J: Job> {
    /// The block that is being filled.
    block: Block<J>,
    /// Those before it, whose slots did not suffice.
    full: Vec<Block<J>>,
    /// How many slots of the block's are taken.
    slots_taken: usize,
}

/// What follows from having added a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// Somebody should collect at once.
    Enough,
    /// It can wait until a worker could have it.
    Little,
}

/// Why a job cannot be encoded. As small as a pointer, so that results that hold it stay in registers: moving a larger one
/// takes longer than to encode a short job.
#[derive(Debug)]
pub(crate) struct Unencodable(Box<CodecError>);

impl Unencodable {
    #[cold]
    fn new(error: CodecError) -> Unencodable {
        Unencodable(Box::new(error))
    }

    pub(crate) fn into_failure<E>(self) -> JobError<E> {
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
    fn encode<J: Job>(&mut self, codec: CodecKind, job: &J) -> Result<&mut Vec<u8>, Unencodable> {
        // What a huge job took is not kept for the small ones that follow.
        if self.0.capacity() > MOST_BYTES {
            self.0 = Vec::new();
        }
        self.0.clear();
        match encode_entry(codec, job, &mut self.0) {
            Ok(()) => Ok(&mut self.0),
            Err(error) => Err(Unencodable::new(error)),
        }
    }
}

impl<J: Job> Gather<J> {
    /// For jobs whose outcomes all go there.
    pub(crate) fn to(exit: Exit<J>, callers: Arc<Callers>) -> Gather<J> {
        let open = Open { block: Block::new(exit), full: Vec::new(), slots_taken: 0 };
        Gather { open: Mutex::new(open), sealed: AtomicBool::new(false), callers }
    }

    /// For jobs that get a slot each.
    pub(crate) fn to_slots(callers: Arc<Callers>) -> Gather<J> {
        Gather::to(Exit::Slots(Slots::new(0, None)), callers)
    }

    /// Adds a job.
    ///
    /// # Errors
    /// When it cannot be encoded.
    #[inline]
    pub(crate) fn add(
        &self,
        scratch: &mut Scratch,
        codec: CodecKind,
        (tag, job): (u64, &J),
        options: JobOptions,
    ) -> Result<Added, Unencodable> {
        let start = self.callers.begin_encoding();
        let added = scratch.encode(codec, job).map(|entry| {
            let mut open = self.open.lock();
            open.append(entry, tag, options);
            self.added(&open)
        });
        self.callers.end_encoding(start);
        added
    }

    /// Adds a job that gets the next slot; `None` when the gather is sealed. If it cannot be encoded its slot is filled.
    pub(crate) fn submit(
        &self,
        codec: CodecKind,
        job: &J,
        options: JobOptions,
        control: &Arc<dyn Control>,
    ) -> Option<(Slot<J>, Added)> {
        // A serializer may submit a job itself, which then finds an empty scratch.
        let mut scratch = SCRATCH.take();
        let start = self.callers.begin_encoding();
        let added = match scratch.encode(codec, job) {
            Ok(entry) => self.append_to_slot(entry, options, control),
            Err(error) => {
                let slots = Slots::new(1, None);
                let slot = Slot::new(&slots, 0);
                slots.fill(0, Err(error.into_failure()));
                (!self.is_sealed()).then_some((slot, Added::Little))
            }
        };
        self.callers.end_encoding(start);
        SCRATCH.set(scratch);
        added
    }

    #[inline]
    fn append_to_slot(
        &self,
        entry: &mut Vec<u8>,
        options: JobOptions,
        control: &Arc<dyn Control>,
    ) -> Option<(Slot<J>, Added)> {
        let mut open = self.open.lock();
        if self.is_sealed() {
            return None;
        }
        let (slots, place) = open.next_slot(control);
        let slot = Slot::new(slots, place);
        open.append(entry, place as u64, options);
        Some((slot, self.added(&open)))
    }

    /// How many jobs have gathered.
    pub(crate) fn count(&self) -> usize {
        self.open.lock().count()
    }

    /// Everything that has gathered. For those who hold the pool's lock.
    pub(crate) fn collect(&self) -> Vec<Block<J>> {
        let mut open = self.open.lock();
        let mut blocks = mem::take(&mut open.full);
        if !open.block.is_empty() {
            blocks.push(open.block.take());
        }
        if self.is_sealed() {
            open.let_slots_go();
        }
        blocks
    }

    /// From now on whoever adds a job has to collect it, and [`submit`](Gather::submit) takes none.
    pub(crate) fn seal(&self) {
        let mut open = self.open.lock();
        self.sealed.store(true, Ordering::Release);
        if open.block.is_empty() {
            open.let_slots_go();
        }
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    fn added(&self, open: &Open<J>) -> Added {
        let enough = open.count() >= MOST_JOBS || open.block.entries.bytes() >= MOST_BYTES;
        if enough || self.is_sealed() { Added::Enough } else { Added::Little }
    }
}

impl<J: Job> Open<J> {
    fn count(&self) -> usize {
        self.full.iter().map(|block| block.tags.len()).sum::<usize>() + self.block.tags.len()
    }

    /// Adds a job. One that is large begins a block, so that it is not copied.
    #[inline]
    fn append(&mut self, entry: &mut Vec<u8>, tag: u64, options: JobOptions) {
        if entry.len() <= MOST_BYTES {
            return self.block.append(entry, tag, options);
        }
        if !self.block.is_empty() {
            let before = self.block.take();
            self.full.push(before);
        }
        self.block.append_owned(mem::take(entry), tag, options);
    }

    /// Slots know the pool, and the pool knows its gathers: neither would ever be dropped.
    fn let_slots_go(&mut self) {
        if matches!(self.block.exit, Exit::Slots(_)) {
            self.block.exit = Exit::Slots(Slots::new(0, None));
        }
    }

    /// The next free slot: the last ones' block may be collected meanwhile, and the next one goes on with them.
    fn next_slot(&mut self, control: &Arc<dyn Control>) -> (&Arc<Slots<J>>, usize) {
        if !matches!(&self.block.exit, Exit::Slots(slots) if self.slots_taken < slots.len()) {
            let next = Block::new(Exit::Slots(Slots::new(SLOTS, Some(control.clone()))));
            let last = mem::replace(&mut self.block, next);
            self.full.extend(Some(last).filter(|block| !block.is_empty()));
            self.slots_taken = 0;
        }
        let place = self.slots_taken;
        self.slots_taken += 1;
        match &self.block.exit {
            Exit::Slots(slots) => (slots, place),
            Exit::Sink(_) => unreachable!("the block has been replaced by one with slots"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Byte, Ignore};

    const CODEC: CodecKind = CodecKind::Bincode;

    fn submit(gather: &Gather<Byte>) -> Option<(Slot<Byte>, Added)> {
        let control: Arc<dyn Control> = Arc::new(Ignore);
        gather.submit(CODEC, &Byte(7), JobOptions::default(), &control)
    }

    fn jobs_of(blocks: &[Block<Byte>]) -> Vec<(usize, usize)> {
        blocks.iter().map(|block| (block.tags.len(), block.entries.count())).collect()
    }

    #[test]
    fn a_job_that_is_refused_leaves_nothing_behind() {
        let (closed, open) =
            (Gather::to_slots(Arc::default()), Gather::to(Exit::Sink(Arc::new(Ignore)), Arc::default()));
        closed.seal();
        assert!(submit(&closed).is_none());
        assert_eq!(
            open.add(&mut Scratch::default(), CODEC, (1, &Byte(8)), JobOptions::default()).unwrap(),
            Added::Little
        );
        let blocks = open.collect();
        assert_eq!((jobs_of(&blocks), blocks[0].entries.slice(0, 1)), (vec![(1, 1)], &[1, 0, 0, 0, 8][..]));
    }

    #[test]
    fn slots_that_are_used_up_are_followed_by_others() {
        let gather = Gather::to_slots(Arc::default());
        let slots: Vec<_> = (0..10).map(|_| submit(&gather).unwrap()).collect();
        assert_eq!(jobs_of(&gather.collect()), [(10, 10)]);
        let more: Vec<_> = (0..MOST_JOBS - 1).map(|_| submit(&gather).unwrap()).collect();
        assert!(slots.iter().chain(&more).all(|(_, added)| *added == Added::Little));
        assert_eq!(submit(&gather).unwrap().1, Added::Enough);
        let blocks = jobs_of(&gather.collect());
        assert_eq!((blocks[0], blocks[1]), ((SLOTS - 10, SLOTS - 10), (SLOTS, SLOTS)));
        assert_eq!(blocks.iter().map(|(tags, _)| tags).sum::<usize>(), MOST_JOBS);
    }

    #[test]
    fn whoever_comes_after_the_seal_has_to_collect() {
        let gather = Gather::to(Exit::Sink(Arc::new(Ignore)), Arc::default());
        gather.seal();
        assert_eq!(
            gather.add(&mut Scratch::default(), CODEC, (1, &Byte(8)), JobOptions::default()).unwrap(),
            Added::Enough
        );
        assert_eq!(jobs_of(&gather.collect()), [(1, 1)]);
    }
}
