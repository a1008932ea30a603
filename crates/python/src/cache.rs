//! The functions that a worker has loaded.

use std::collections::{HashMap, VecDeque};

use pyo3::{Py, PyAny};

use crate::functions::{FunctionId, FunctionReader};

/// Maximum number of functions that a worker keeps.
const MAX_FUNCTIONS: usize = 1000;

/// Maximum size of the pickles of these functions, in bytes. That of one may be larger.
const MAX_SIZE: u64 = 64 << 20;

/// Size in bytes of a pickle from which its function is dropped soon after the pool has freed it.
const LARGE: u64 = 64 << 10;

/// Functions that have been called.
#[derive(Default)]
pub(crate) struct FunctionCache {
    functions: HashMap<FunctionId, Py<PyAny>>,
    /// Oldest first.
    order: VecDeque<FunctionId>,
    /// Size of all pickles, in bytes.
    size: u64,
    /// Those that are dropped once the pool has freed them. The others are, when there are too many.
    watched: Vec<FunctionId>,
    /// The function that was called last.
    last: Option<FunctionId>,
}

impl FunctionCache {
    /// Returns a function that is about to be called, if it is loaded. Before another one than the last time,
    /// drops those that will not be called again.
    pub(crate) fn find(&mut self, id: FunctionId, pool: &FunctionReader) -> Option<&Py<PyAny>> {
        if self.last.replace(id) != Some(id) && !self.watched.is_empty() {
            self.drop_freed(pool);
        }
        self.functions.get(&id)
    }

    /// Keeps a function, and drops the oldest ones if there are too many.
    pub(crate) fn insert(&mut self, id: FunctionId, function: Py<PyAny>) {
        while self.functions.len() >= MAX_FUNCTIONS
            || self.size + id.length() > MAX_SIZE && !self.order.is_empty()
        {
            let Some(oldest) = self.order.pop_front() else { break };
            self.forget(oldest);
            self.watched.retain(|id| *id != oldest);
        }
        self.functions.insert(id, function);
        self.order.push_back(id);
        self.size += id.length();
        if id.is_temporary() || id.length() > LARGE {
            self.watched.push(id);
        }
    }

    fn drop_freed(&mut self, pool: &FunctionReader) {
        let freed: Vec<_> = self.watched.extract_if(.., |id| pool.is_freed(*id)).collect();
        if freed.is_empty() {
            return;
        }
        self.order.retain(|id| !freed.contains(id));
        freed.into_iter().for_each(|id| self.forget(id));
    }

    fn forget(&mut self, id: FunctionId) {
        self.functions.remove(&id);
        self.size -= id.length();
    }
}
