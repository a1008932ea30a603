//! A thread or task that waits to be admitted.

use std::task::{Context, Poll, Waker};

use parking_lot::{Condvar, Mutex};

use super::load::Load;

/// A thread or task that waits until there is room for its jobs.
pub(super) struct Waiter {
    /// Number of jobs that it wants to submit.
    pub(super) jobs: u64,
    state: Mutex<State>,
    granted: Condvar,
}

enum State {
    Waiting(Option<Waker>),
    /// There is room, which is reserved for the waiter.
    Granted(Load),
    /// The waiter has taken the room or gives up.
    Ended,
}

impl Waiter {
    pub(super) fn new(jobs: u64) -> Waiter {
        Waiter { jobs, state: Mutex::new(State::Waiting(None)), granted: Condvar::new() }
    }

    /// Reserves room for the waiter. [`notify`](Waiter::notify) has to follow.
    ///
    /// The waker stays until then, because this is called under locks.
    pub(super) fn grant(&self, reserved: Load) -> Option<Waker> {
        match std::mem::replace(&mut *self.state.lock(), State::Granted(reserved)) {
            State::Waiting(waker) => waker,
            State::Granted(_) | State::Ended => None,
        }
    }

    /// Wakes the thread that waits, after [`grant`](Waiter::grant).
    pub(super) fn notify(&self) {
        self.granted.notify_one();
    }

    /// Blocks until room is granted and takes it.
    pub(super) fn wait(&self) -> Load {
        let mut state = self.state.lock();
        while matches!(*state, State::Waiting(_)) {
            self.granted.wait(&mut state);
        }
        state.take()
    }

    /// Takes the granted room, or registers the waker of the task.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Load> {
        let mut state = self.state.lock();
        match &mut *state {
            State::Waiting(waker) => {
                if !waker.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
                    *waker = Some(context.waker().clone());
                }
                Poll::Pending
            }
            State::Granted(_) | State::Ended => Poll::Ready(state.take()),
        }
    }

    /// Ends waiting; returns the room that was granted and not taken.
    pub(super) fn give_up(&self) -> Load {
        self.state.lock().take()
    }
}

impl State {
    fn take(&mut self) -> Load {
        match std::mem::replace(self, State::Ended) {
            State::Granted(reserved) => reserved,
            State::Waiting(_) | State::Ended => Load::default(),
        }
    }
}
