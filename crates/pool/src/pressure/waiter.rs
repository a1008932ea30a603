//! A thread or task that waits to be admitted.

use std::task::{Context, Poll, Waker};

use parking_lot::{Condvar, Mutex};

use super::load::Load;

/// A thread or task that waits until there is room for its jobs.
pub(super) struct Waiter {
    /// Number of jobs that it wants to submit.
    pub(super) jobs: u64,
    state: Mutex<WaiterState>,
    granted: Condvar,
}

/// State of a [`Waiter`].
pub(super) enum WaiterState {
    Waiting(Option<Waker>),
    /// There is room, which is reserved for the waiter.
    Granted(Load),
    /// The waiter has taken the room or gives up.
    Ended,
}

impl Waiter {
    pub(super) fn new(jobs: u64) -> Waiter {
        Waiter { jobs, state: Mutex::new(WaiterState::Waiting(None)), granted: Condvar::new() }
    }

    /// Reserves room for the waiter. [`notify`](Waiter::notify) has to follow.
    ///
    /// The waker stays until then, because this is called under locks.
    pub(super) fn grant(&self, reserved: Load) -> Option<Waker> {
        match std::mem::replace(&mut *self.state.lock(), WaiterState::Granted(reserved)) {
            WaiterState::Waiting(waker) => waker,
            WaiterState::Granted(_) | WaiterState::Ended => None,
        }
    }

    /// Wakes the thread that waits, after [`grant`](Waiter::grant).
    pub(super) fn notify(&self) {
        self.granted.notify_one();
    }

    /// Blocks until room is granted and takes it.
    pub(super) fn wait(&self) -> Load {
        let mut state = self.state.lock();
        while matches!(*state, WaiterState::Waiting(_)) {
            self.granted.wait(&mut state);
        }
        state.end().reserved()
    }

    /// Takes the granted room, or registers the waker of the task.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Load> {
        let mut state = self.state.lock();
        let WaiterState::Waiting(waker) = &mut *state else {
            return Poll::Ready(state.end().reserved());
        };
        if !waker.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
            let replaced = waker.replace(context.waker().clone());
            // Not under the lock, because dropping a waker may call any code.
            drop(state);
            drop(replaced);
        }
        Poll::Pending
    }

    /// Ends waiting; returns the state before, for the caller to drop without any lock.
    pub(super) fn give_up(&self) -> WaiterState {
        self.state.lock().end()
    }
}

impl WaiterState {
    fn end(&mut self) -> WaiterState {
        std::mem::replace(self, WaiterState::Ended)
    }

    /// Returns the room that was granted and not taken.
    pub(super) fn reserved(&self) -> Load {
        match self {
            WaiterState::Granted(reserved) => *reserved,
            WaiterState::Waiting(_) | WaiterState::Ended => Load::default(),
        }
    }
}
