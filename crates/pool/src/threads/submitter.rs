//! The submitter of a pool of threads.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use job::{Job, JobError};

use super::{
    hints::{ALL_IDLE, HAS_IDLE_THREADS},
    queue::{Chunk, Entry, Target},
    shared::Shared,
};
use crate::{JobOptions, Sink, SubmitError, Submitter};

/// Time for which jobs are gathered while threads are idle, estimated from the pace of the last chunk.
const GATHER_TIME: Duration = Duration::from_micros(20);

/// Gathers jobs in chunks, so that no job needs a lock or an allocation of its own.
pub(super) struct ThreadSubmitter<J: Job> {
    shared: Arc<Shared<J>>,
    sink: Arc<dyn Sink<J>>,
    target: Arc<Target<J>>,
    gathered: VecDeque<Entry<J>>,
    /// Maximum size of a chunk, and minimum size of one that is queued because threads are idle.
    full: usize,
    least: usize,
    /// Time when the last chunk was queued.
    last: Instant,
}

impl<J: Job> ThreadSubmitter<J> {
    pub(super) fn new(shared: Arc<Shared<J>>, sink: Arc<dyn Sink<J>>) -> ThreadSubmitter<J> {
        let target = Arc::new(Target::sink(sink.clone()));
        let (full, least) = (target.cost.full_chunk(), target.cost.least_chunk());
        ThreadSubmitter { shared, sink, target, gathered: VecDeque::new(), full, least, last: Instant::now() }
    }

    fn hand_over(&mut self) {
        let count = self.gathered.len();
        let next = VecDeque::with_capacity(count);
        Shared::queue(&self.shared, &self.target, std::mem::replace(&mut self.gathered, next));
        let now = Instant::now();
        let pace = (now - self.last).as_nanos() / count.max(1) as u128;
        self.last = now;
        self.full = self.target.cost.full_chunk();
        let in_time = usize::try_from(GATHER_TIME.as_nanos() / pace.max(1)).unwrap_or(usize::MAX);
        self.least = self.target.cost.least_chunk().min(in_time).max(1);
    }
}

impl<J: Job> Submitter<J> for ThreadSubmitter<J> {
    fn push(&mut self, tag: u64, job: J, options: JobOptions) {
        self.gathered.push_back(Entry { tag, job, options });
        let count = self.gathered.len();
        let flags = if count >= self.least { HAS_IDLE_THREADS | ALL_IDLE } else { ALL_IDLE };
        if count >= self.full || self.shared.hints.any(flags) {
            self.hand_over();
        }
    }

    fn flush(&mut self) {
        if !self.gathered.is_empty() {
            self.hand_over();
        }
        Shared::expedite(&self.shared);
    }

    fn has_capacity(&self) -> bool {
        self.shared.hints.any(HAS_IDLE_THREADS)
    }

    fn enough(&self) -> usize {
        self.target.cost.in_flight(self.shared.max_threads)
    }

    fn refusal(&self) -> Option<SubmitError> {
        self.shared.refusal()
    }

    fn cancel_waiting(&mut self) {
        let gathered = Chunk::new(self.target.clone(), 0, std::mem::take(&mut self.gathered));
        let waiting = Shared::change(&self.shared, |state| state.queue.take_to(&self.sink));
        waiting.into_iter().chain([gathered]).for_each(|chunk| chunk.fail(|| JobError::Cancelled));
    }
}

impl<J: Job> Drop for ThreadSubmitter<J> {
    fn drop(&mut self) {
        self.flush();
    }
}
