//! Submitter of a thread pool.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use job::{Job, JobError};

use super::{
    hints::{ALL_IDLE, HAS_IDLE_THREADS},
    queue::{Chunk, Entry, Target},
    shared::ThreadShared,
};
use crate::{JobOptions, Sink, SubmitError, Submitter};

/// Time for which jobs are buffered while threads are idle, estimated from the push rate of the last chunk.
const BUFFER_TIME: Duration = Duration::from_micros(20);

/// Buffers jobs in chunks, so that no job needs a lock or an allocation of its own.
pub(super) struct ThreadSubmitter<J: Job> {
    shared: Arc<ThreadShared<J>>,
    sink: Arc<dyn Sink<J>>,
    target: Arc<Target<J>>,
    buffered: VecDeque<Entry<J>>,
    /// Priority of the buffered jobs.
    priority: i32,
    /// Lowest priority of any job so far, at most 0.
    lowest_priority: i32,
    /// Number of jobs at which a chunk is queued.
    max_chunk: usize,
    /// Minimum number of jobs in a chunk that is queued earlier because threads are idle.
    min_idle_chunk: usize,
    /// Time when the last chunk was queued.
    last_queued: Instant,
}

impl<J: Job> ThreadSubmitter<J> {
    pub(super) fn new(shared: Arc<ThreadShared<J>>, sink: Arc<dyn Sink<J>>) -> ThreadSubmitter<J> {
        let target = Arc::new(Target::sink(sink.clone()));
        let (max_chunk, min_idle_chunk) = (target.cost.max_chunk(), target.cost.min_chunk());
        ThreadSubmitter {
            shared,
            sink,
            target,
            buffered: VecDeque::new(),
            priority: 0,
            lowest_priority: 0,
            max_chunk,
            min_idle_chunk,
            last_queued: Instant::now(),
        }
    }

    /// Queues the buffered jobs, because the next ones have another priority.
    #[cold]
    fn set_priority(&mut self, priority: i32) {
        if !self.buffered.is_empty() {
            self.queue_chunk();
        }
        self.priority = priority;
        self.lowest_priority = self.lowest_priority.min(priority);
    }

    /// Queues the buffered jobs and updates the chunk sizes.
    fn queue_chunk(&mut self) {
        let count = self.buffered.len();
        let next = VecDeque::with_capacity(count);
        let chunk = std::mem::replace(&mut self.buffered, next);
        ThreadShared::queue(&self.shared, &self.target, (chunk, self.priority));
        let now = Instant::now();
        let interval = (now - self.last_queued).as_nanos() / count.max(1) as u128;
        self.last_queued = now;
        self.max_chunk = self.target.cost.max_chunk();
        let in_buffer_time = usize::try_from(BUFFER_TIME.as_nanos() / interval.max(1)).unwrap_or(usize::MAX);
        self.min_idle_chunk = self.target.cost.min_chunk().min(in_buffer_time).max(1);
    }
}

impl<J: Job> Submitter<J> for ThreadSubmitter<J> {
    fn push(&mut self, tag: u64, job: J, options: JobOptions) {
        if options.get_priority() != self.priority {
            self.set_priority(options.get_priority());
        }
        self.buffered.push_back(Entry::new(tag, job, options));
        let count = self.buffered.len();
        let flags = if count >= self.min_idle_chunk { HAS_IDLE_THREADS | ALL_IDLE } else { ALL_IDLE };
        // A job that may overtake others is queued at once.
        let is_urgent = self.priority > self.lowest_priority;
        if count >= self.max_chunk || is_urgent || self.shared.hints.any(flags) {
            self.queue_chunk();
        }
    }

    fn flush(&mut self) {
        if !self.buffered.is_empty() {
            self.queue_chunk();
        }
        ThreadShared::expedite(&self.shared);
    }

    fn has_capacity(&self) -> bool {
        self.shared.hints.any(HAS_IDLE_THREADS)
    }

    fn target_backlog(&self) -> usize {
        self.target.cost.in_flight(self.shared.max_threads)
    }

    fn submit_error(&self) -> Option<SubmitError> {
        self.shared.submit_error()
    }

    fn cancel_waiting(&mut self) {
        let buffered = Chunk::new(self.target.clone(), 0, std::mem::take(&mut self.buffered));
        let waiting = ThreadShared::change(&self.shared, |state| {
            state.submitted += buffered.entries.len() as u64;
            state.queue.take_to(&self.sink)
        });
        let cancelled = waiting.into_iter().chain([buffered]);
        cancelled.for_each(|chunk| self.shared.fail(chunk, || JobError::Cancelled));
    }
}

impl<J: Job> Drop for ThreadSubmitter<J> {
    fn drop(&mut self) {
        self.flush();
    }
}
