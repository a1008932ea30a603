//! Gathers jobs into blocks.

use std::{sync::Arc, time::Duration};

use job::{Failure, Job};
use wire::frame::Entries;

use super::{block::Block, shared::Shared};
use crate::{Inlet, JobOptions, Resolved, Sink, stream::hand_over};

/// A block is handed over when it has this many jobs or bytes, even if nobody waits for it.
const MOST_JOBS: usize = 256;
const MOST_BYTES: usize = 32 * 1024;

pub(crate) struct ProcessInlet<J: Job> {
    shared: Arc<Shared<J>>,
    sink: Arc<dyn Sink<J>>,
    entries: Entries,
    tags: Vec<u64>,
    /// The jobs with a limit of their own, by their place among the entries.
    limits: Vec<(usize, Duration)>,
}

impl<J: Job> ProcessInlet<J> {
    pub(crate) fn new(shared: Arc<Shared<J>>, sink: Arc<dyn Sink<J>>) -> ProcessInlet<J> {
        ProcessInlet { shared, sink, entries: Entries::default(), tags: Vec::new(), limits: Vec::new() }
    }
}

impl<J: Job> Inlet<J> for ProcessInlet<J> {
    fn push(&mut self, tag: u64, job: J, options: JobOptions) {
        if let Err(error) = self.entries.push(self.shared.recipe.codec, &job) {
            let outcome = Err(Failure::Codec(error.to_string()));
            hand_over(&*self.sink, vec![Resolved { tag, outcome }]);
            return;
        }
        self.limits.extend(options.limit.map(|limit| (self.tags.len(), limit)));
        self.tags.push(tag);
        let full = self.entries.count() >= MOST_JOBS || self.entries.bytes() >= MOST_BYTES;
        if full || self.shared.is_hungry() {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.tags.is_empty() {
            return;
        }
        let (entries, tags) = (std::mem::take(&mut self.entries), std::mem::take(&mut self.tags));
        let block = Block { entries, tags, sink: self.sink.clone() };
        Shared::submit(&self.shared, block, &std::mem::take(&mut self.limits));
    }
}

impl<J: Job> Drop for ProcessInlet<J> {
    fn drop(&mut self) {
        self.flush();
    }
}
