//! How far a run has come.

use std::cell::{Cell, RefCell};

/// Counts what is done, and tells whoever wants to know.
pub(crate) struct Progress<'a> {
    done: Cell<u64>,
    all: u64,
    tell: RefCell<&'a mut dyn FnMut(u64, u64)>,
}

impl<'a> Progress<'a> {
    /// Of so many runs.
    pub(crate) fn new(all: u64, tell: &'a mut dyn FnMut(u64, u64)) -> Progress<'a> {
        tell(0, all);
        Progress { done: Cell::new(0), all, tell: RefCell::new(tell) }
    }

    /// Another run is done; passes on what it gave.
    pub(crate) fn count<T>(&self, gave: T) -> T {
        self.done.set(self.done.get() + 1);
        (self.tell.borrow_mut())(self.done.get(), self.all);
        gave
    }
}
