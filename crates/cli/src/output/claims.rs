//! Result of a claim of outcomes in the [reorder window](super::window).

use std::collections::VecDeque;

/// Result of a claim of several jobs, by their indices.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Ids of the jobs that have one.
    ids: VecDeque<(usize, Box<str>)>,
    /// Jobs that already have an outcome, or never entered.
    refused: VecDeque<usize>,
}

impl Claims {
    /// Adds the id of a claimed job. Indices must be ascending.
    pub(super) fn add_id(&mut self, index: usize, id: Box<str>) {
        self.ids.push_back((index, id));
    }

    /// Adds a job that cannot be claimed. Indices must be ascending.
    pub(super) fn refuse(&mut self, index: usize) {
        self.refused.push_back(index);
    }

    /// Returns `None` if the job was refused, otherwise its id, if it has one. Indices must be ascending.
    pub(super) fn next(&mut self, index: usize) -> Option<Option<Box<str>>> {
        if self.refused.front() == Some(&index) {
            self.refused.pop_front();
            return None;
        }
        let is_named = self.ids.front().is_some_and(|(named, _)| *named == index);
        Some(if is_named { self.ids.pop_front().map(|(_, name)| name) } else { None })
    }
}
