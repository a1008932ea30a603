//! Queue of the outcomes of a map, from the threads that have them to the one that iterates.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use job::Job;
use parking_lot::{Condvar, Mutex};

use crate::{Resolved, Sink};

/// Outcomes that have not been received by the iterator. There is one receiver.
pub(super) struct CompletionQueue<O: Order> {
    state: Mutex<QueueState<O>>,
    changed: Condvar,
}

struct QueueState<O> {
    order: O,
    /// Number of outcomes in the queue.
    count: usize,
    /// Backlog limit of the receiver, while it waits.
    waiting: Option<usize>,
}

/// Result of waiting for outcomes.
pub(super) enum Received<J: Job> {
    Outcomes(Vec<Resolved<J>>),
    /// The next outcome is missing, and the number of later ones has reached the backlog limit.
    Backlog,
    /// The deadline has passed.
    TimedOut,
}

/// Order in which outcomes are received. They are stored and returned in groups, because moving them one by
/// one would cost as much as a short job.
pub trait Order: Default + Send + 'static {
    /// Type of the jobs.
    type Job: Job;

    /// Stores outcomes; `group` is not empty.
    fn put(&mut self, group: Vec<Resolved<Self::Job>>);

    /// Returns the next outcomes, if they are there.
    fn take(&mut self) -> Option<Vec<Resolved<Self::Job>>>;

    /// Returns whether `take` would return outcomes.
    fn is_ready(&self) -> bool;
}

impl<O: Order> CompletionQueue<O> {
    pub(super) fn new() -> Arc<Self> {
        let state = QueueState { order: O::default(), count: 0, waiting: None };
        Arc::new(CompletionQueue { state: Mutex::new(state), changed: Condvar::new() })
    }

    /// Returns the next outcomes, if they are there.
    pub(super) fn take(&self) -> Option<Vec<Resolved<O::Job>>> {
        self.state.lock().take()
    }

    /// Waits until the next outcomes are there and returns them. Stops waiting when `backlog_limit` later
    /// outcomes are queued, or when the deadline passes, if there is one.
    pub(super) fn wait(&self, deadline: Option<Instant>, backlog_limit: usize) -> Received<O::Job> {
        let mut state = self.state.lock();
        while !state.should_wake(backlog_limit) {
            state.waiting = Some(backlog_limit);
            match deadline {
                None => self.changed.wait(&mut state),
                Some(deadline) => {
                    if self.changed.wait_until(&mut state, deadline).timed_out() {
                        break;
                    }
                }
            }
        }
        state.waiting = None;
        match state.take() {
            Some(outcomes) => Received::Outcomes(outcomes),
            None if state.count >= backlog_limit => Received::Backlog,
            None => Received::TimedOut,
        }
    }
}

impl<O: Order> QueueState<O> {
    fn take(&mut self) -> Option<Vec<Resolved<O::Job>>> {
        let group = self.order.take()?;
        self.count -= group.len();
        Some(group)
    }

    /// Returns whether a receiver with this backlog limit stops waiting.
    fn should_wake(&self, backlog_limit: usize) -> bool {
        self.order.is_ready() || self.count >= backlog_limit
    }
}

impl<J: Job, O: Order<Job = J>> Sink<J> for CompletionQueue<O> {
    fn resolve(&self, resolved: Vec<Resolved<J>>) {
        if resolved.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        state.count += resolved.len();
        state.order.put(resolved);
        let wake = state.waiting.is_some_and(|backlog_limit| state.should_wake(backlog_limit));
        if wake {
            state.waiting = None;
        }
        drop(state);
        if wake {
            self.changed.notify_one();
        }
    }
}

/// The outputs of [`MapUnordered`](super::MapUnordered) are in order of completion.
pub struct CompletionOrder<J: Job>(VecDeque<Vec<Resolved<J>>>);

impl<J: Job> Default for CompletionOrder<J> {
    fn default() -> Self {
        CompletionOrder(VecDeque::new())
    }
}

impl<J: Job> Order for CompletionOrder<J> {
    type Job = J;

    fn put(&mut self, group: Vec<Resolved<J>>) {
        self.0.push_back(group);
    }

    fn take(&mut self) -> Option<Vec<Resolved<J>>> {
        self.0.pop_front()
    }

    fn is_ready(&self) -> bool {
        !self.0.is_empty()
    }
}

/// The outputs of [`Map`](super::Map) are in the order of the jobs, which is that of the tags. They count
/// from 0.
pub struct InputOrder<J: Job> {
    /// Tag of the next outcome.
    next: u64,
    /// Outcomes with consecutive tags, by the first tag.
    runs: BTreeMap<u64, Vec<Resolved<J>>>,
}

impl<J: Job> Default for InputOrder<J> {
    fn default() -> Self {
        InputOrder { next: 0, runs: BTreeMap::new() }
    }
}

impl<J: Job> Order for InputOrder<J> {
    type Job = J;

    fn put(&mut self, group: Vec<Resolved<J>>) {
        // Jobs that are sent together are returned together, so there is rarely more than one run.
        let mut rest = group;
        while let Some(first) = rest.first().map(|job| job.tag) {
            let run = (first..).zip(&rest).take_while(|(tag, job)| *tag == job.tag).count();
            let after = rest.split_off(run);
            self.runs.insert(first, std::mem::replace(&mut rest, after));
        }
    }

    fn take(&mut self) -> Option<Vec<Resolved<J>>> {
        let run = self.runs.remove(&self.next)?;
        self.next += run.len() as u64;
        Some(run)
    }

    fn is_ready(&self) -> bool {
        self.runs.contains_key(&self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Byte;
    use job::JobError;

    fn group(tags: &[u64]) -> Vec<Resolved<Byte>> {
        tags.iter().map(|&tag| Resolved { tag, outcome: Err(JobError::Cancelled) }).collect()
    }

    fn tags(group: Option<Vec<Resolved<Byte>>>) -> Vec<u64> {
        group.into_iter().flatten().map(|job| job.tag).collect()
    }

    #[test]
    fn outcomes_are_sorted_by_tag_however_they_are_grouped() {
        let mut order = InputOrder::default();
        order.put(group(&[2, 3, 6, 5]));
        assert!(!order.is_ready() && order.take().is_none());
        order.put(group(&[0, 1]));
        assert_eq!(
            [tags(order.take()), tags(order.take()), tags(order.take())],
            [vec![0, 1], vec![2, 3], vec![]]
        );
        order.put(group(&[4]));
        assert!(order.is_ready());
        let rest: Vec<u64> = (0..4).flat_map(|_| tags(order.take())).collect();
        assert_eq!(rest, [4, 5, 6]);
    }
}
