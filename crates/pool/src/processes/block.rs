//! Blocks of jobs that were submitted together, and the targets of their outcomes.

use std::{
    collections::BTreeMap,
    ops::{Range, RangeInclusive},
    sync::Arc,
};

use job::{Job, JobError, JobId, JobRange};
use sched::JobLimits;
use wire::{
    CodecKind,
    batch::Entries,
    transfer::{Files, collect},
};

use crate::{
    JobOptions, Resolved, Sink,
    future::{Slots, Ticket},
    stream::hand_over,
};

/// Maximum capacity in bytes that a new block reserves. The size of one large job does not predict that of
/// the next ones.
const MAX_RESERVED: usize = 64 * 1024;

/// Encoded jobs. A block is kept until all of its jobs are resolved, because a job may have to be sent again.
pub(crate) struct Block<J: Job> {
    pub(crate) entries: Entries,
    /// Tags of the jobs.
    pub(crate) tags: Vec<u64>,
    /// Limits of jobs that have some of their own, with their index in the block.
    pub(crate) limits: Vec<(usize, JobLimits)>,
    /// Priorities other than 0, each with the indexes of the jobs that have it, in ascending order.
    pub(crate) priorities: Vec<(Range<usize>, i32)>,
    /// Tags that were set by [`JobOptions::tag`], with the index of the job in the block. Only of jobs whose
    /// outcomes go to slots; their `tags` are the indexes of the slots.
    user_tags: Vec<(usize, u64)>,
    /// Files that the jobs refer to. Workers open them when they decode the jobs.
    pub(crate) files: Files,
    pub(crate) target: OutcomeTarget<J>,
}

impl<J: Job> Block<J> {
    pub(crate) fn new(target: OutcomeTarget<J>) -> Block<J> {
        Block {
            entries: Entries::default(),
            tags: Vec::new(),
            limits: Vec::new(),
            priorities: Vec::new(),
            user_tags: Vec::new(),
            files: Files::default(),
            target,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// Encodes a job and adds it.
    ///
    /// # Errors
    /// If the job cannot be encoded.
    pub(crate) fn add(
        &mut self,
        codec: CodecKind,
        tag: u64,
        job: &J,
        options: JobOptions,
    ) -> Result<(), JobError<J::Error>> {
        let (added, files) = collect(|| self.entries.push(codec, job));
        added.map_err(|error| JobError::Codec(error.to_string().into()))?;
        self.files.extend(files);
        self.note_job(tag, options);
        Ok(())
    }

    /// Adds an encoded job.
    pub(crate) fn append(&mut self, entry: &[u8], tag: u64, options: JobOptions) {
        self.entries.append(entry);
        self.note_job(tag, options);
    }

    /// Adds an encoded job, without a copy if it is the first one.
    pub(crate) fn append_owned(&mut self, entry: Vec<u8>, tag: u64, options: JobOptions) {
        self.entries.append_owned(entry);
        self.note_job(tag, options);
    }

    fn note_job(&mut self, tag: u64, options: JobOptions) {
        if options.has_limits() {
            self.limits.push((self.tags.len(), options.limits()));
        }
        if options.get_priority() != 0 {
            self.note_priority(options.get_priority());
        }
        if options.get_tag() != 0 && matches!(self.target, OutcomeTarget::Slots(_)) {
            self.user_tags.push((self.tags.len(), options.get_tag()));
        }
        self.tags.push(tag);
    }

    /// Records the priority of the job that is being added.
    fn note_priority(&mut self, priority: i32) {
        let index = self.tags.len();
        match self.priorities.last_mut() {
            Some((jobs, last)) if (jobs.end, *last) == (index, priority) => jobs.end += 1,
            _ => self.priorities.push((index..index + 1, priority)),
        }
    }

    /// Returns the tag of a job that was set by [`JobOptions::tag`].
    fn user_tag(&self, index: usize) -> Option<u64> {
        let found = self.user_tags.binary_search_by_key(&index, |&(index, _)| index).ok()?;
        Some(self.user_tags[found].1)
    }

    /// Replaces the block by an empty one with the same capacity, up to [`MAX_RESERVED`]; returns its
    /// previous content.
    pub(crate) fn take(&mut self) -> Block<J> {
        let jobs = self.tags.len();
        let entries = Entries::with_capacity(jobs, self.entries.bytes().min(MAX_RESERVED));
        let next = Block { entries, tags: Vec::with_capacity(jobs), ..Block::new(self.target.clone()) };
        std::mem::replace(self, next)
    }
}

/// Target of outcomes.
pub(crate) enum OutcomeTarget<J: Job> {
    /// Slots of futures. A job's tag is the index of its slot.
    Slots(Arc<Slots<J>>),
    Sink(Arc<dyn Sink<J>>),
}

impl<J: Job> OutcomeTarget<J> {
    /// Passes outcomes to the target.
    pub(crate) fn resolve(&self, resolved: Vec<Resolved<J>>) {
        match self {
            OutcomeTarget::Slots(slots) => {
                resolved.into_iter().for_each(|job| slots.fill(job.tag, job.outcome));
            }
            OutcomeTarget::Sink(sink) => hand_over(&**sink, resolved),
        }
    }

    /// Returns whether both are the same object.
    fn is_same(&self, other: &OutcomeTarget<J>) -> bool {
        match (self, other) {
            (OutcomeTarget::Slots(one), OutcomeTarget::Slots(other)) => Arc::ptr_eq(one, other),
            (OutcomeTarget::Sink(one), OutcomeTarget::Sink(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl<J: Job> Clone for OutcomeTarget<J> {
    fn clone(&self) -> OutcomeTarget<J> {
        match self {
            OutcomeTarget::Slots(slots) => OutcomeTarget::Slots(slots.clone()),
            OutcomeTarget::Sink(sink) => OutcomeTarget::Sink(sink.clone()),
        }
    }
}

/// Consecutive jobs of a block.
pub(crate) struct Slice<J: Job> {
    pub(crate) block: Arc<Block<J>>,
    from: usize,
    to: usize,
    /// Id of the first job.
    first: JobId,
}

impl<J: Job> Slice<J> {
    /// Returns the jobs as encoded in a batch.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.block.entries.slice(self.from, self.to)
    }

    pub(crate) fn count(&self) -> usize {
        self.to - self.from
    }

    /// Appends the ids of the jobs, in order, with consecutive ones merged into ranges.
    pub(crate) fn add_job_ids(&self, ids: &mut Vec<RangeInclusive<u64>>) {
        (self.first.0..).take(self.count()).for_each(|id| push_number(ids, id));
    }

    /// Appends the numbers of the jobs as reported to observers, in order, with consecutive ones merged into
    /// ranges.
    pub(crate) fn add_job_numbers(&self, numbers: &mut Vec<RangeInclusive<u64>>) {
        match &self.block.target {
            // Their tags are indexes of slots, which are meaningless outside the pool.
            OutcomeTarget::Slots(_) if self.block.user_tags.is_empty() => self.add_job_ids(numbers),
            OutcomeTarget::Slots(_) => (self.first.0..).zip(self.from..self.to).for_each(|(id, index)| {
                push_number(numbers, self.block.user_tag(index).unwrap_or(id));
            }),
            OutcomeTarget::Sink(_) => {
                self.tags().iter().for_each(|&tag| push_number(numbers, tag));
            }
        }
    }

    /// Returns the tags of the jobs, in order.
    pub(crate) fn tags(&self) -> &[u64] {
        &self.block.tags[self.from..self.to]
    }

    /// Passes the jobs' outcomes to their target.
    pub(crate) fn resolve(&self, resolved: Vec<Resolved<J>>) {
        self.block.target.resolve(resolved);
    }
}

fn push_number(numbers: &mut Vec<RangeInclusive<u64>>, number: u64) {
    match numbers.last_mut() {
        Some(last) if last.end().checked_add(1) == Some(number) => *last = *last.start()..=number,
        _ => numbers.push(number..=number),
    }
}

/// All blocks with unresolved jobs, by the id of their first job.
pub(crate) struct Blocks<J: Job> {
    blocks: BTreeMap<u64, PendingBlock<J>>,
    next_job: u64,
}

struct PendingBlock<J: Job> {
    block: Arc<Block<J>>,
    unresolved: u64,
}

impl<J: Job> Blocks<J> {
    pub(crate) fn new() -> Blocks<J> {
        Blocks { blocks: BTreeMap::new(), next_job: 0 }
    }

    /// Number of jobs that were ever added.
    pub(crate) fn jobs_added(&self) -> u64 {
        self.next_job
    }

    /// Adds a block and assigns ids to its jobs; returns `None` if it has none.
    pub(crate) fn add(&mut self, block: Block<J>) -> Option<JobRange> {
        let unresolved = block.tags.len() as u64;
        let jobs = JobRange::new(self.next_job, self.next_job + unresolved)?;
        self.next_job = jobs.end();
        if let OutcomeTarget::Slots(slots) = &block.target {
            block.tags.iter().zip(jobs.iter()).for_each(|(&tag, JobId(id))| slots.assign(tag, Ticket(id)));
        }
        self.blocks.insert(jobs.first().0, PendingBlock { block: Arc::new(block), unresolved });
        Some(jobs)
    }

    /// Returns the jobs of all blocks whose outcomes go to `target`.
    pub(crate) fn unresolved_for(&self, target: &OutcomeTarget<J>) -> Vec<JobRange> {
        let blocks = self.blocks.iter().filter(|(_, pending)| pending.block.target.is_same(target));
        blocks
            .filter_map(|(&first, pending)| JobRange::new(first, first + pending.block.tags.len() as u64))
            .collect()
    }

    /// Returns the slices that make up these jobs, in order.
    pub(crate) fn slices(&self, jobs: JobRange) -> Vec<Slice<J>> {
        let first_block = self.blocks.range(..=jobs.first().0).next_back().map_or(0, |(&first, _)| first);
        let touched = self.blocks.range(first_block..jobs.end());
        let parts = touched.filter_map(|(&first, pending)| {
            let whole = JobRange::new(first, first + pending.block.tags.len() as u64)?;
            let part = whole.intersection(jobs)?;
            let (from, to) = (part.first().0 - first, part.end() - first);
            Some(Slice {
                block: pending.block.clone(),
                from: from as usize,
                to: to as usize,
                first: part.first(),
            })
        });
        parts.collect()
    }

    /// Returns the slices that make up these jobs, in order, and marks the jobs as resolved. Blocks without
    /// unresolved jobs are dropped.
    pub(crate) fn take_resolved(&mut self, jobs: JobRange) -> Vec<Slice<J>> {
        let slices = self.slices(jobs);
        let mut at = jobs.first().0;
        for slice in &slices {
            let first = at - slice.from as u64;
            at += slice.count() as u64;
            if let Some(pending) = self.blocks.get_mut(&first) {
                pending.unresolved -= slice.count() as u64;
                if pending.unresolved == 0 {
                    self.blocks.remove(&first);
                }
            }
        }
        slices
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Byte, Ignore};

    fn block(tags: Range<u64>) -> Block<Byte> {
        let mut entries = Entries::default();
        tags.clone().for_each(|tag| entries.push(CodecKind::default(), &(tag as u8)).unwrap());
        let target = OutcomeTarget::Sink(Arc::new(Ignore));
        Block { entries, tags: tags.collect(), ..Block::new(target) }
    }

    fn range(start: u64, end: u64) -> JobRange {
        JobRange::new(start, end).unwrap()
    }

    #[test]
    fn finds_ranges_across_blocks_and_drops_resolved_blocks() {
        let mut blocks = Blocks::new();
        assert_eq!(blocks.add(block(100..104)), Some(range(0, 4)));
        assert_eq!(blocks.add(block(0..0)), None);
        assert_eq!(blocks.add(block(200..203)), Some(range(4, 7)));

        let slices = blocks.slices(range(2, 6));
        let tags: Vec<&[u64]> = slices.iter().map(|slice| &slice.block.tags[slice.from..slice.to]).collect();
        assert_eq!(tags, [&[102, 103][..], &[200, 201][..]]);
        let mut numbers = Vec::new();
        slices.iter().for_each(|slice| slice.add_job_numbers(&mut numbers));
        assert_eq!(numbers, [102..=103, 200..=201]);
        assert_eq!(slices[0].bytes(), [1, 0, 0, 0, 102, 1, 0, 0, 0, 103]);

        assert_eq!(blocks.take_resolved(range(2, 6)).len(), 2);
        assert_eq!(blocks.blocks.len(), 2);
        blocks.take_resolved(range(6, 7));
        assert_eq!(blocks.blocks.len(), 1);
        blocks.take_resolved(range(0, 2));
        assert!(blocks.blocks.is_empty());
    }
}
