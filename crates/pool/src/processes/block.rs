//! Jobs that were submitted together.

use std::{collections::BTreeMap, sync::Arc};

use job::{Job, JobRange};
use wire::frame::Entries;

use crate::Sink;

/// Encoded jobs of one inlet: kept as long as one of them is unresolved, because a job may have to be sent again.
pub(crate) struct Block<J: Job> {
    pub(crate) entries: Entries,
    /// What each job was pushed under.
    pub(crate) tags: Vec<u64>,
    pub(crate) sink: Arc<dyn Sink<J>>,
}

/// Some consecutive jobs of a block.
pub(crate) struct Slice<J: Job> {
    pub(crate) block: Arc<Block<J>>,
    from: usize,
    to: usize,
}

impl<J: Job> Slice<J> {
    /// The jobs as they stand in a frame.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.block.entries.slice(self.from, self.to)
    }

    pub(crate) fn tags(&self) -> &[u64] {
        &self.block.tags[self.from..self.to]
    }
}

/// All blocks with unresolved jobs, by their first job.
pub(crate) struct Blocks<J: Job> {
    blocks: BTreeMap<u64, Held<J>>,
    next_job: u64,
}

struct Held<J: Job> {
    block: Arc<Block<J>>,
    unresolved: u64,
}

impl<J: Job> Blocks<J> {
    pub(crate) fn new() -> Blocks<J> {
        Blocks { blocks: BTreeMap::new(), next_job: 0 }
    }

    /// Takes a block in and numbers its jobs; `None` if it has none.
    pub(crate) fn add(&mut self, block: Block<J>) -> Option<JobRange> {
        let unresolved = block.tags.len() as u64;
        let jobs = JobRange::new(self.next_job, self.next_job + unresolved)?;
        self.next_job = jobs.end();
        self.blocks.insert(jobs.first().0, Held { block: Arc::new(block), unresolved });
        Some(jobs)
    }

    /// The parts of blocks that make up these jobs, in order.
    pub(crate) fn slices(&self, jobs: JobRange) -> Vec<Slice<J>> {
        let first_block = self.blocks.range(..=jobs.first().0).next_back().map_or(0, |(&first, _)| first);
        let touched = self.blocks.range(first_block..jobs.end());
        let parts = touched.filter_map(|(&first, held)| {
            let whole = JobRange::new(first, first + held.block.tags.len() as u64)?;
            let part = whole.intersection(jobs)?;
            let (from, to) = (part.first().0 - first, part.end() - first);
            Some(Slice { block: held.block.clone(), from: from as usize, to: to as usize })
        });
        parts.collect()
    }

    /// The same, for jobs that are resolved now: blocks without unresolved jobs are let go.
    pub(crate) fn take(&mut self, jobs: JobRange) -> Vec<Slice<J>> {
        let slices = self.slices(jobs);
        let mut at = jobs.first().0;
        for slice in &slices {
            let first = at - slice.from as u64;
            at += slice.tags().len() as u64;
            if let Some(held) = self.blocks.get_mut(&first) {
                held.unresolved -= slice.tags().len() as u64;
                if held.unresolved == 0 {
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
    use crate::Resolved;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Nothing;

    impl Job for Nothing {
        const NAME: &'static str = "nothing";
        type Output = ();
        type Error = ();
        type Context = ();
        fn run(self, (): &mut ()) -> Result<(), ()> {
            Ok(())
        }
    }

    struct Ignore;

    impl Sink<Nothing> for Ignore {
        fn resolve(&self, _: Vec<Resolved<Nothing>>) {}
    }

    fn block(tags: std::ops::Range<u64>) -> Block<Nothing> {
        let mut entries = Entries::default();
        tags.clone().for_each(|tag| entries.push(wire::CodecKind::Bincode, &(tag as u8)).unwrap());
        Block { entries, tags: tags.collect(), sink: Arc::new(Ignore) }
    }

    fn range(start: u64, end: u64) -> JobRange {
        JobRange::new(start, end).unwrap()
    }

    #[test]
    fn ranges_are_found_across_blocks_and_let_go_when_resolved() {
        let mut blocks = Blocks::new();
        assert_eq!(blocks.add(block(100..104)), Some(range(0, 4)));
        assert_eq!(blocks.add(block(0..0)), None);
        assert_eq!(blocks.add(block(200..203)), Some(range(4, 7)));

        let slices = blocks.slices(range(2, 6));
        let tags: Vec<&[u64]> = slices.iter().map(Slice::tags).collect();
        assert_eq!(tags, [&[102, 103][..], &[200, 201][..]]);
        assert_eq!(slices[0].bytes(), [1, 0, 0, 0, 102, 1, 0, 0, 0, 103]);

        assert_eq!(blocks.take(range(2, 6)).len(), 2);
        assert_eq!(blocks.blocks.len(), 2);
        blocks.take(range(6, 7));
        assert_eq!(blocks.blocks.len(), 1);
        blocks.take(range(0, 2));
        assert!(blocks.blocks.is_empty());
    }
}
