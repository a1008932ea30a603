//! Progress of a measurement.

use std::cell::{Cell, RefCell};

/// Counts finished runs and reports them to a callback.
pub(crate) struct Progress<'a> {
    done: Cell<u64>,
    total: Cell<u64>,
    callback: RefCell<&'a mut dyn FnMut(u64, u64)>,
}

impl<'a> Progress<'a> {
    /// Calls `callback` with the number of finished runs and the total, now and after each run.
    pub(crate) fn new(total: u64, callback: &'a mut dyn FnMut(u64, u64)) -> Progress<'a> {
        callback(0, total);
        Progress { done: Cell::new(0), total: Cell::new(total), callback: RefCell::new(callback) }
    }

    /// Adds runs to the total. The callback sees it when the next run is done.
    pub(crate) fn add(&self, runs: u64) {
        self.total.set(self.total.get() + runs);
    }

    /// Counts a finished run and returns its result unchanged.
    pub(crate) fn count<T>(&self, result: T) -> T {
        self.done.set(self.done.get() + 1);
        (self.callback.borrow_mut())(self.done.get(), self.total.get());
        result
    }
}
