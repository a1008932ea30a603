//! How far a run has come.

use std::cell::{Cell, RefCell};

/// Counts what is done, and tells whoever wants to know.
pub(crate) struct Progress<'a> {
    done: Cell<u64>,
    all: Cell<u64>,
    tell: RefCell<&'a mut dyn FnMut(u64, u64)>,
}

impl<'a> Progress<'a> {
    /// Of so many runs.
    pub(crate) fn new(all: u64, tell: &'a mut dyn FnMut(u64, u64)) -> Progress<'a> {
        tell(0, all);
        Progress { done: Cell::new(0), all: Cell::new(all), tell: RefCell::new(tell) }
    }

    /// Adds runs that were not known at the start; reported with the next run that is done.
    pub(crate) fn add(&self, runs: u64) {
        self.all.set(self.all.get() + runs);
    }

    /// Another run is done; passes on what it gave.
    pub(crate) fn count<T>(&self, gave: T) -> T {
        self.done.set(self.done.get() + 1);
        (self.tell.borrow_mut())(self.done.get(), self.all.get());
        gave
    }
}
