//! Outputs as they come.

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc, time::Duration};

use job::Job;

use super::{Map, feed::Feed};
use crate::{Executor, JobFuture, NoOutcome, future::Watch};

/// A map whose outputs come in any order and which has not been started; see [`Map`] for its settings.
#[must_use = "a map does nothing before it is iterated"]
pub struct MapUnordered<'e, J: Job, E: Executor<J>, I: Iterator<Item = J>>(Map<'e, J, E, I>);

impl<'e, J: Job, E: Executor<J>, I: Iterator<Item = J>> MapUnordered<'e, J, E, I> {
    pub(crate) fn new(map: Map<'e, J, E, I>) -> Self {
        MapUnordered(map)
    }

    /// How many items are taken before the first output is asked for.
    pub fn buffer(self, jobs: NonZeroUsize) -> Self {
        MapUnordered(self.0.buffer(jobs))
    }

    /// Takes all items at once when the map is started. Not for endless inputs.
    pub fn unbuffered(self) -> Self {
        MapUnordered(self.0.unbuffered())
    }

    /// How many jobs travel to a worker together; see [`Map::batch`].
    pub fn batch(self, jobs: NonZeroUsize) -> Self {
        MapUnordered(self.0.batch(jobs))
    }

    /// An overall deadline, counted from this call. When it passes, the next output is
    /// [`NoOutcome::TimedOut`], what has not been started is cancelled, and the iterator has ended.
    pub fn deadline(self, time: Duration) -> Self {
        MapUnordered(self.0.deadline(time))
    }

    /// A time limit for each of the jobs; see [`JobOptions::limit`](crate::JobOptions::limit).
    pub fn limit(self, limit: Duration) -> Self {
        MapUnordered(self.0.limit(limit))
    }
}

impl<'e, J: Job, E: Executor<J>, I: Iterator<Item = J>> IntoIterator for MapUnordered<'e, J, E, I> {
    type Item = Result<(usize, J::Output), (usize, NoOutcome<J::Error>)>;
    type IntoIter = OutputsUnordered<'e, J, E, I>;

    /// Starts the map: takes the first items and submits their jobs.
    fn into_iter(self) -> Self::IntoIter {
        let feed = Feed::new(self.0);
        let (watch, under_way) = (Arc::default(), HashMap::new());
        let mut outputs = OutputsUnordered { feed, watch, under_way, taken: 0, begun: false, ended: false };
        let mut first = Vec::new();
        outputs.feed.fill(|future| first.push(future));
        outputs.watch_over(first);
        outputs
    }
}

/// The outputs of a [`MapUnordered`], each once, with the place of its item.
///
/// Dropping it cancels the jobs that have not been started, if any output was asked for; before that they all run.
pub struct OutputsUnordered<'e, J: Job, E: Executor<J>, I: Iterator<Item = J>> {
    feed: Feed<'e, J, E, I>,
    watch: Arc<Watch>,
    /// By the address of its slot: the place of the item, and its job.
    under_way: HashMap<usize, (usize, JobFuture<J>)>,
    /// How many items have been taken.
    taken: usize,
    begun: bool,
    ended: bool,
}

impl<J: Job, E: Executor<J>, I: Iterator<Item = J>> OutputsUnordered<'_, J, E, I> {
    fn watch_over(&mut self, futures: Vec<JobFuture<J>>) {
        futures.into_iter().for_each(|future| self.watch_over_one(future));
    }

    fn watch_over_one(&mut self, future: JobFuture<J>) {
        let slot = future.slot().clone();
        self.under_way.insert(slot.address(), (self.taken, future));
        self.taken += 1;
        // One that has its outcome already is told like the others.
        if let Some(kind) = slot.watch(&self.watch) {
            self.watch.tell(slot.address(), kind);
        }
    }

    /// Ends the iteration and cancels the jobs that have not been started.
    pub fn close(&mut self) {
        self.ended = true;
        for (_, job) in std::mem::take(&mut self.under_way).into_values() {
            job.slot().unwatch(&self.watch);
            job.cancel();
        }
    }
}

impl<J: Job, E: Executor<J>, I: Iterator<Item = J>> Iterator for OutputsUnordered<'_, J, E, I> {
    type Item = Result<(usize, J::Output), (usize, NoOutcome<J::Error>)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.begun = true;
        if self.ended {
            return None;
        }
        if self.under_way.is_empty() {
            self.ended = true;
            return self.feed.take_refusal().map(|refused| Err((self.taken, NoOutcome::Refused(refused))));
        }
        let Some((slot, _)) = self.watch.next(self.feed.deadline()) else {
            self.close();
            return Some(Err((self.taken, NoOutcome::TimedOut)));
        };
        let (place, job) = self.under_way.remove(&slot)?;
        let mut next = Vec::new();
        self.feed.replace(|future| next.push(future));
        self.watch_over(next);
        let outcome = job.take(Duration::ZERO).and_then(|outcome| outcome.map_err(NoOutcome::Failed));
        Some(outcome.map(|output| (place, output)).map_err(|error| (place, error)))
    }
}

impl<J: Job, E: Executor<J>, I: Iterator<Item = J>> Drop for OutputsUnordered<'_, J, E, I> {
    fn drop(&mut self) {
        if self.begun {
            self.close();
        }
    }
}
