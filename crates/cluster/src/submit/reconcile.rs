//! Decides when to request a snapshot of the queue.

use std::{sync::Arc, time::Instant};

use super::{finder::Finder, pending::RESULT_TIMEOUT};

/// Requests snapshots of the queue, one at a time.
pub(super) struct Reconciler {
    finder: Arc<Finder>,
    /// When to look for overdue messages.
    at: Instant,
    /// A snapshot of the queue was requested.
    is_under_way: bool,
    /// That snapshot may be older than a reason to reconcile: request another one.
    again: bool,
}

impl Reconciler {
    pub(super) fn new(finder: Arc<Finder>) -> Reconciler {
        Reconciler { finder, at: Instant::now() + RESULT_TIMEOUT, is_under_way: false, again: false }
    }

    /// Returns when to look for overdue messages.
    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Returns whether to look for overdue messages now, and sets the next time.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.at <= now;
        if is_due {
            self.at = now + RESULT_TIMEOUT;
        }
        is_due
    }

    /// Requests a snapshot, unless one is under way.
    pub(super) fn request(&mut self) {
        if !std::mem::replace(&mut self.is_under_way, true) {
            self.finder.take_snapshot();
        }
    }

    /// Requests a snapshot; if one is under way, another one after it.
    pub(super) fn request_newer(&mut self) {
        self.again = self.is_under_way;
        self.request();
    }

    /// Notes that the snapshot has come. Returns whether it may be too old.
    pub(super) fn received(&mut self) -> bool {
        self.is_under_way = false;
        std::mem::take(&mut self.again)
    }
}
