//! Where one outcome lies, and who is told when it comes.

use std::{sync::Arc, task::Waker, time::Duration};

use job::{Failure, Job, Outcome};
use parking_lot::{Condvar, Mutex};
use wire::catch_panic;

use super::{
    kind::Kind,
    watch::{Watch, deadline_after},
};
use crate::{Resolved, Sink};

/// Called once, with the slot that has just been filled.
pub(crate) type Callback<J> = Box<dyn FnOnce(&Arc<Slot<J>>) + Send>;

/// A place for one outcome.
pub(crate) struct Slot<J: Job> {
    state: Mutex<State<J>>,
    filled: Condvar,
}

enum State<J: Job> {
    Empty {
        callbacks: Vec<Callback<J>>,
        wakers: Vec<Waker>,
        watches: Vec<Arc<Watch>>,
    },
    Filled(Outcome<J>),
    /// The outcome was moved out; what it was is all that is left of it.
    Taken(Kind),
}

impl<J: Job> Slot<J> {
    pub(crate) fn new() -> Arc<Slot<J>> {
        let state = State::Empty { callbacks: Vec::new(), wakers: Vec::new(), watches: Vec::new() };
        Arc::new(Slot { state: Mutex::new(state), filled: Condvar::new() })
    }

    /// Fills the slot, unless it is filled already: the first outcome stands. Everybody who waits is told without
    /// the lock, so that a callback may do anything.
    pub(crate) fn fill(self: &Arc<Self>, outcome: Outcome<J>) -> bool {
        let mut state = self.state.lock();
        if !matches!(*state, State::Empty { .. }) {
            return false;
        }
        let before = std::mem::replace(&mut *state, State::Filled(outcome));
        let kind = state.kind();
        drop(state);
        self.filled.notify_all();
        if let (State::Empty { callbacks, wakers, watches }, Some(kind)) = (before, kind) {
            wakers.into_iter().for_each(Waker::wake);
            watches.iter().for_each(|watch| watch.tell(self.address(), kind));
            callbacks.into_iter().for_each(|callback| self.call(callback));
        }
        true
    }

    fn call(self: &Arc<Self>, callback: Callback<J>) {
        if let Err(panic) = catch_panic(|| callback(self)) {
            eprintln!("a callback of a job panicked: {panic}");
        }
    }

    /// What identifies the slot.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    pub(crate) fn kind(&self) -> Option<Kind> {
        self.state.lock().kind()
    }

    /// Waits until the slot is filled; `false` when the time is over before.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.and_then(deadline_after);
        let mut state = self.state.lock();
        while matches!(*state, State::Empty { .. }) {
            match deadline {
                None => self.filled.wait(&mut state),
                Some(deadline) => {
                    if self.filled.wait_until(&mut state, deadline).timed_out() {
                        return !matches!(*state, State::Empty { .. });
                    }
                }
            }
        }
        true
    }

    /// Looks at the outcome, if it is there and has not been moved out.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Outcome<J>) -> T) -> Option<T> {
        match &*self.state.lock() {
            State::Filled(outcome) => Some(at(outcome)),
            _ => None,
        }
    }

    /// Moves the outcome out, if it is there and has not been moved out before.
    pub(crate) fn take(&self) -> Option<Outcome<J>> {
        let mut state = self.state.lock();
        let kind = state.kind()?;
        match std::mem::replace(&mut *state, State::Taken(kind)) {
            State::Filled(outcome) => Some(outcome),
            other => {
                *state = other;
                None
            }
        }
    }

    /// Has `callback` called when the slot is filled: at once if it is.
    pub(crate) fn when_filled(self: &Arc<Self>, callback: Callback<J>) {
        if let State::Empty { callbacks, .. } = &mut *self.state.lock() {
            callbacks.push(callback);
            return;
        }
        self.call(callback);
    }

    /// Has the waker woken when the slot is filled; `false` if it is.
    pub(crate) fn wake(&self, waker: &Waker) -> bool {
        match &mut *self.state.lock() {
            State::Empty { wakers, .. } => {
                if !wakers.iter().any(|known| known.will_wake(waker)) {
                    wakers.push(waker.clone());
                }
                true
            }
            _ => false,
        }
    }

    /// Has the watch told when the slot is filled; what it is filled with, if it is.
    pub(crate) fn watch(&self, watch: &Arc<Watch>) -> Option<Kind> {
        let mut state = self.state.lock();
        if let State::Empty { watches, .. } = &mut *state {
            watches.push(watch.clone());
            return None;
        }
        state.kind()
    }

    /// Forgets a watch that nobody looks at any more.
    pub(crate) fn unwatch(&self, watch: &Arc<Watch>) {
        if let State::Empty { watches, .. } = &mut *self.state.lock() {
            watches.retain(|known| !Arc::ptr_eq(known, watch));
        }
    }
}

impl<J: Job> State<J> {
    fn kind(&self) -> Option<Kind> {
        match self {
            State::Empty { .. } => None,
            State::Filled(Ok(_)) => Some(Kind::Succeeded),
            State::Filled(Err(Failure::Cancelled)) => Some(Kind::Cancelled),
            State::Filled(Err(_)) => Some(Kind::Failed),
            State::Taken(kind) => Some(*kind),
        }
    }
}

/// The sink of jobs that have a slot each; their tags are the slots' places.
pub(crate) struct SlotsSink<J: Job>(pub(crate) Vec<Arc<Slot<J>>>);

impl<J: Job> Sink<J> for SlotsSink<J> {
    fn resolve(&self, resolved: Vec<Resolved<J>>) {
        for job in resolved {
            if let Some(slot) = usize::try_from(job.tag).ok().and_then(|place| self.0.get(place)) {
                slot.fill(job.outcome);
            }
        }
    }
}
