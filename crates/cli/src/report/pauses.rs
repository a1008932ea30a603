//! Times in which a run gave way to other work.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Pauses of a run: written by its admission control, and read by its reports.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Mutex<PauseState>);

#[derive(Debug, Default)]
struct PauseState {
    current: Option<CurrentPause>,
    count: u64,
    /// Length of the pauses that have ended.
    total: Duration,
}

/// The pause that a run is in.
#[derive(Clone, Debug)]
pub(crate) struct CurrentPause {
    pub(crate) since: Instant,
    pub(crate) cause: String,
}

impl Pauses {
    pub(crate) fn begin(&self, since: Instant, cause: String) {
        let state = &mut *self.0.lock();
        state.count += 1;
        state.current = Some(CurrentPause { since, cause });
    }

    /// Ends the current pause.
    pub(crate) fn end(&self, now: Instant) {
        let state = &mut *self.0.lock();
        if let Some(pause) = state.current.take() {
            state.total += now.saturating_duration_since(pause.since);
        }
    }

    pub(crate) fn current(&self) -> Option<CurrentPause> {
        self.0.lock().current.clone()
    }

    /// Returns the number of pauses and their total length, including the current one.
    pub(crate) fn total(&self, now: Instant) -> (u64, Duration) {
        let state = self.0.lock();
        let current = state.current.as_ref().map(|pause| now.saturating_duration_since(pause.since));
        (state.count, state.total + current.unwrap_or_default())
    }
}
