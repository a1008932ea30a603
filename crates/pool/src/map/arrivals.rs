//! Where the outcomes of a map arrive, and who waits for them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use job::Job;
use parking_lot::{Condvar, Mutex};

use crate::{Resolved, Sink};

/// Outcomes on their way from whoever has them to the one who iterates over them.
pub(super) struct Arrivals<O: Order> {
    state: Mutex<State<O>>,
    news: Condvar,
}

struct State<O> {
    order: O,
    /// How many outcomes there are.
    count: usize,
    /// Somebody waits for what is next, or until there are so many.
    waits: Option<usize>,
}

/// What waiting for outcomes has led to.
pub(super) enum News<J: Job> {
    Piece(Vec<Resolved<J>>),
    /// What is next is not there, but many of those behind it are.
    Crowd,
    /// The time is over.
    Late,
}

/// In which order outcomes are taken. They come and go in pieces, because moving them one by one would cost as much as a
/// short job.
pub(super) trait Order: Default + Send + 'static {
    /// Whose outcomes they are.
    type Job: Job;

    /// Keeps outcomes, of which there is at least one.
    fn put(&mut self, piece: Vec<Resolved<Self::Job>>);

    /// The next outcomes, if they are there.
    fn take(&mut self) -> Option<Vec<Resolved<Self::Job>>>;

    /// Whether there is something to take.
    fn is_ready(&self) -> bool;
}

impl<O: Order> Arrivals<O> {
    pub(super) fn new() -> Arc<Self> {
        let state = State { order: O::default(), count: 0, waits: None };
        Arc::new(Arrivals { state: Mutex::new(state), news: Condvar::new() })
    }

    /// Takes what is there.
    pub(super) fn take(&self) -> Option<Vec<Resolved<O::Job>>> {
        self.state.lock().take()
    }

    /// Waits until what is next is there, and takes it; at most until there are `crowd` outcomes behind it.
    pub(super) fn wait(&self, deadline: Option<Instant>, crowd: usize) -> News<O::Job> {
        let mut state = self.state.lock();
        while !state.is_news(crowd) {
            state.waits = Some(crowd);
            match deadline {
                None => self.news.wait(&mut state),
                Some(deadline) => {
                    if self.news.wait_until(&mut state, deadline).timed_out() {
                        break;
                    }
                }
            }
        }
        state.waits = None;
        match state.take() {
            Some(piece) => News::Piece(piece),
            None if state.count >= crowd => News::Crowd,
            None => News::Late,
        }
    }
}

impl<O: Order> State<O> {
    fn take(&mut self) -> Option<Vec<Resolved<O::Job>>> {
        let piece = self.order.take()?;
        self.count -= piece.len();
        Some(piece)
    }

    /// Whether there is something to wake for.
    fn is_news(&self, crowd: usize) -> bool {
        self.order.is_ready() || self.count >= crowd
    }
}

impl<J: Job, O: Order<Job = J>> Sink<J> for Arrivals<O> {
    fn resolve(&self, resolved: Vec<Resolved<J>>) {
        if resolved.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        state.count += resolved.len();
        state.order.put(resolved);
        let news = state.waits.is_some_and(|crowd| state.is_news(crowd));
        if news {
            state.waits = None;
        }
        drop(state);
        if news {
            self.news.notify_one();
        }
    }
}

/// As they come.
pub(super) struct AsTheyCome<J: Job>(VecDeque<Vec<Resolved<J>>>);

impl<J: Job> Default for AsTheyCome<J> {
    fn default() -> Self {
        AsTheyCome(VecDeque::new())
    }
}

impl<J: Job> Order for AsTheyCome<J> {
    type Job = J;

    fn put(&mut self, piece: Vec<Resolved<J>>) {
        self.0.push_back(piece);
    }

    fn take(&mut self) -> Option<Vec<Resolved<J>>> {
        self.0.pop_front()
    }

    fn is_ready(&self) -> bool {
        !self.0.is_empty()
    }
}

/// In the order of their tags, which count from 0.
pub(super) struct InOrder<J: Job> {
    /// The tag that is taken next.
    next: u64,
    /// Outcomes whose tags follow one another, by the first.
    pieces: BTreeMap<u64, Vec<Resolved<J>>>,
}

impl<J: Job> Default for InOrder<J> {
    fn default() -> Self {
        InOrder { next: 0, pieces: BTreeMap::new() }
    }
}

impl<J: Job> Order for InOrder<J> {
    type Job = J;

    fn put(&mut self, piece: Vec<Resolved<J>>) {
        // Jobs that were sent together come back together, so there is rarely more than one run.
        let mut rest = piece;
        while let Some(first) = rest.first().map(|job| job.tag) {
            let run = (first..).zip(&rest).take_while(|(tag, job)| *tag == job.tag).count();
            let after = rest.split_off(run);
            self.pieces.insert(first, std::mem::replace(&mut rest, after));
        }
    }

    fn take(&mut self) -> Option<Vec<Resolved<J>>> {
        let piece = self.pieces.remove(&self.next)?;
        self.next += piece.len() as u64;
        Some(piece)
    }

    fn is_ready(&self) -> bool {
        self.pieces.contains_key(&self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Byte;
    use job::JobError;

    fn piece(tags: &[u64]) -> Vec<Resolved<Byte>> {
        tags.iter().map(|&tag| Resolved { tag, outcome: Err(JobError::Cancelled) }).collect()
    }

    fn tags(piece: Option<Vec<Resolved<Byte>>>) -> Vec<u64> {
        piece.into_iter().flatten().map(|job| job.tag).collect()
    }

    #[test]
    fn pieces_are_put_in_order_whatever_they_hold() {
        let mut order = InOrder::default();
        order.put(piece(&[2, 3, 6, 5]));
        assert!(!order.is_ready() && order.take().is_none());
        order.put(piece(&[0, 1]));
        assert_eq!(
            [tags(order.take()), tags(order.take()), tags(order.take())],
            [vec![0, 1], vec![2, 3], vec![]]
        );
        order.put(piece(&[4]));
        assert!(order.is_ready());
        let rest: Vec<u64> = (0..4).flat_map(|_| tags(order.take())).collect();
        assert_eq!(rest, [4, 5, 6]);
    }
}
