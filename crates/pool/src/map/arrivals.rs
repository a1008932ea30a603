//! Where the outcomes of a map arrive, and who waits for them.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use job::{Job, Outcome};
use parking_lot::{Condvar, Mutex};

use crate::{Resolved, Sink};

/// Outcomes on their way from whoever has them to the one who iterates over them.
pub(super) struct Arrivals<J: Job, O: Order<J>> {
    state: Mutex<State<O>>,
    news: Condvar,
    job: std::marker::PhantomData<fn() -> J>,
}

struct State<O> {
    order: O,
    /// Whether somebody waits for what is next.
    waits: bool,
}

/// In which order outcomes are taken.
pub(super) trait Order<J: Job>: Default + Send + 'static {
    /// Keeps an outcome.
    fn put(&mut self, arrived: Resolved<J>);

    /// Whether there is something to take.
    fn is_ready(&self) -> bool;

    /// Moves what can be taken to the end of `to`.
    fn take(&mut self, to: &mut VecDeque<Resolved<J>>);
}

impl<J: Job, O: Order<J>> Arrivals<J, O> {
    pub(super) fn new() -> Arc<Self> {
        let state = State { order: O::default(), waits: false };
        Arc::new(Arrivals { state: Mutex::new(state), news: Condvar::new(), job: std::marker::PhantomData })
    }

    /// Takes what is there.
    pub(super) fn take(&self, to: &mut VecDeque<Resolved<J>>) {
        self.state.lock().order.take(to);
    }

    /// Waits until something is there, or the time is over, and takes it.
    pub(super) fn wait(&self, deadline: Option<Instant>, to: &mut VecDeque<Resolved<J>>) {
        let mut state = self.state.lock();
        while !state.order.is_ready() {
            state.waits = true;
            match deadline {
                None => self.news.wait(&mut state),
                Some(deadline) => {
                    if self.news.wait_until(&mut state, deadline).timed_out() {
                        break;
                    }
                }
            }
        }
        state.waits = false;
        state.order.take(to);
    }
}

impl<J: Job, O: Order<J>> Sink<J> for Arrivals<J, O> {
    fn resolve(&self, resolved: Vec<Resolved<J>>) {
        let mut state = self.state.lock();
        resolved.into_iter().for_each(|arrived| state.order.put(arrived));
        let news = state.waits && state.order.is_ready();
        state.waits &= !news;
        drop(state);
        if news {
            self.news.notify_one();
        }
    }
}

/// As they come.
pub(super) struct AsTheyCome<J: Job>(VecDeque<Resolved<J>>);

impl<J: Job> Default for AsTheyCome<J> {
    fn default() -> Self {
        AsTheyCome(VecDeque::new())
    }
}

impl<J: Job> Order<J> for AsTheyCome<J> {
    fn put(&mut self, arrived: Resolved<J>) {
        self.0.push_back(arrived);
    }

    fn is_ready(&self) -> bool {
        !self.0.is_empty()
    }

    fn take(&mut self, to: &mut VecDeque<Resolved<J>>) {
        to.append(&mut self.0);
    }
}

/// In the order of their tags, which count from 0.
pub(super) struct InOrder<J: Job> {
    /// The tag of the first place.
    first: u64,
    places: VecDeque<Option<Outcome<J>>>,
}

impl<J: Job> Default for InOrder<J> {
    fn default() -> Self {
        InOrder { first: 0, places: VecDeque::new() }
    }
}

impl<J: Job> Order<J> for InOrder<J> {
    fn put(&mut self, arrived: Resolved<J>) {
        let Ok(place) = usize::try_from(arrived.tag.wrapping_sub(self.first)) else { return };
        if place >= self.places.len() {
            self.places.resize_with(place + 1, || None);
        }
        self.places[place] = Some(arrived.outcome);
    }

    fn is_ready(&self) -> bool {
        matches!(self.places.front(), Some(Some(_)))
    }

    fn take(&mut self, to: &mut VecDeque<Resolved<J>>) {
        while let Some(outcome) = self.places.front_mut().and_then(Option::take) {
            self.places.pop_front();
            to.push_back(Resolved { tag: self.first, outcome });
            self.first += 1;
        }
    }
}
