//! Outputs as they come.

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc, time::Duration};

use job::Job;

use super::Map;
use crate::{Executor, JobFuture, NoOutcome, Refused, future::Watch};

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
        let mut outputs = OutputsUnordered {
            map: self.0,
            watch: Arc::default(),
            under_way: HashMap::new(),
            taken: 0,
            refused: None,
            begun: false,
            ended: false,
        };
        while outputs.map.buffer.is_none_or(|most| outputs.under_way.len() < most.get()) {
            if !outputs.submit_next() {
                break;
            }
        }
        outputs
    }
}

/// The outputs of a [`MapUnordered`], each once, with the place of its item.
///
/// Dropping it cancels the jobs that have not been started, if any output was asked for; before that they all run.
pub struct OutputsUnordered<'e, J: Job, E: Executor<J>, I: Iterator<Item = J>> {
    map: Map<'e, J, E, I>,
    watch: Arc<Watch>,
    /// By the address of its slot: the place of the item, and its job.
    under_way: HashMap<usize, (usize, JobFuture<J>)>,
    /// How many items have been taken.
    taken: usize,
    /// The executor takes no more; told after the outputs of what it had taken.
    refused: Option<Refused>,
    begun: bool,
    ended: bool,
}

impl<J: Job, E: Executor<J>, I: Iterator<Item = J>> OutputsUnordered<'_, J, E, I> {
    /// Takes an item and submits its job; `false` if there is none.
    fn submit_next(&mut self) -> bool {
        if self.refused.is_some() {
            return false;
        }
        let Some(job) = self.map.jobs.next() else { return false };
        match self.map.executor.submit_with(job, self.map.options) {
            Ok(future) => {
                let slot = future.slot().clone();
                self.under_way.insert(slot.address(), (self.taken, future));
                self.taken += 1;
                // One that has its outcome already is told like the others.
                if let Some(kind) = slot.watch(&self.watch) {
                    self.watch.tell(slot.address(), kind);
                }
            }
            Err(refused) => self.refused = Some(refused),
        }
        self.refused.is_none()
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
            return self.refused.take().map(|refused| Err((self.taken, NoOutcome::Refused(refused))));
        }
        let Some((slot, _)) = self.watch.next(self.map.deadline) else {
            self.close();
            return Some(Err((self.taken, NoOutcome::TimedOut)));
        };
        let (place, job) = self.under_way.remove(&slot)?;
        if self.map.buffer.is_some() {
            self.submit_next();
        }
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
