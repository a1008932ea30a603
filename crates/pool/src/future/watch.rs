//! One waiter for many slots.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::kind::Kind;

/// The moment a time from now; `None`, which means for ever, if no instant can hold it.
pub(crate) fn deadline_after(time: Duration) -> Option<Instant> {
    Instant::now().checked_add(time)
}

/// Is told of every slot that is filled, and remembers until asked.
#[derive(Default)]
pub(crate) struct Watch {
    told: Mutex<VecDeque<(usize, Kind)>>,
    news: Condvar,
}

impl Watch {
    /// The slot at this address has been filled.
    pub(crate) fn tell(&self, slot: usize, kind: Kind) {
        self.told.lock().push_back((slot, kind));
        self.news.notify_one();
    }

    /// The next slot that was filled; `None` when the deadline passes before. Without a deadline it waits for ever.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Option<(usize, Kind)> {
        let mut told = self.told.lock();
        loop {
            if let Some(next) = told.pop_front() {
                return Some(next);
            }
            match deadline {
                None => self.news.wait(&mut told),
                Some(deadline) => {
                    if self.news.wait_until(&mut told, deadline).timed_out() {
                        return told.pop_front();
                    }
                }
            }
        }
    }
}
