//! Failed starts of workers: the backoff, and when the pool cannot start workers any more.

use job::MonotonicInstant;

use crate::{StartFailure, backoff::backoff};

/// Number of consecutive failed starts that breaks the pool.
const MAX_FAILED_STARTS: u32 = 5;

/// Number of consecutive starts, killed by another process, that breaks the pool: further ones would probably
/// be killed as well.
const MAX_KILLED_STARTS: u32 = 100;

/// Failed starts since the last successful one.
#[derive(Debug)]
pub(crate) struct Starts {
    /// Starts that failed by themselves.
    failed: u32,
    /// Workers that were killed while starting.
    killed: u32,
    are_failing: bool,
    /// Time before which no worker is started (backoff).
    next: MonotonicInstant,
}

impl Starts {
    pub(crate) fn new() -> Starts {
        Starts { failed: 0, killed: 0, are_failing: false, next: MonotonicInstant(0) }
    }

    /// Records that a worker has become ready.
    pub(crate) fn note_success(&mut self) {
        self.failed = 0;
        self.killed = 0;
        self.are_failing = false;
    }

    /// Records a failed start.
    pub(crate) fn note_failure(&mut self, now: MonotonicInstant, failure: StartFailure) {
        match failure {
            StartFailure::Killed => self.killed += 1,
            StartFailure::Transient | StartFailure::Permanent => self.failed += 1,
        }
        self.next = now + backoff(self.failed + 1);
        self.are_failing |= failure == StartFailure::Permanent
            || self.failed >= MAX_FAILED_STARTS
            || self.killed >= MAX_KILLED_STARTS;
    }

    /// Returns whether starts have failed so often that the pool breaks unless a worker is usable. Cleared by
    /// a successful start.
    pub(crate) fn are_failing(&self) -> bool {
        self.are_failing
    }

    /// Returns the time before which no worker is started.
    pub(crate) fn next(&self) -> MonotonicInstant {
        self.next
    }
}
