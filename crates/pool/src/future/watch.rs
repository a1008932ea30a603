//! Waiting for many slots on one thread.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::kind::OutcomeKind;

/// Returns the instant at the end of a duration from now, or `None`, which means no deadline, if it cannot be
/// represented.
pub(crate) fn deadline_after(time: Duration) -> Option<Instant> {
    Instant::now().checked_add(time)
}

/// Queue of the watched slots that have been filled.
#[derive(Default)]
pub(crate) struct WatchQueue {
    filled: Mutex<VecDeque<(usize, OutcomeKind)>>,
    changed: Condvar,
}

impl WatchQueue {
    /// Adds the slot at this address, which has been filled.
    pub(crate) fn push(&self, slot: usize, kind: OutcomeKind) {
        self.filled.lock().push_back((slot, kind));
        self.changed.notify_one();
    }

    /// Waits for the next slot that is filled. Returns `None` if the deadline passes first; waits forever
    /// without a deadline.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Option<(usize, OutcomeKind)> {
        let mut filled = self.filled.lock();
        loop {
            if let Some(next) = filled.pop_front() {
                return Some(next);
            }
            match deadline {
                None => self.changed.wait(&mut filled),
                Some(deadline) => {
                    if self.changed.wait_until(&mut filled, deadline).timed_out() {
                        return filled.pop_front();
                    }
                }
            }
        }
    }
}
