//! Waiting without the GIL, interruptibly.

use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// Time after which a waiting thread looks for signals, such as that of Ctrl-C.
const SLICE: Duration = Duration::from_millis(50);

/// Calls `wait` without the GIL, with the time that it may take, until it returns `true` or the deadline has
/// passed. Returns whether it returned `true`.
///
/// # Errors
/// The exception of a signal handler, `KeyboardInterrupt` for example.
pub(crate) fn wait(
    py: Python<'_>,
    deadline: Option<Instant>,
    wait: impl Fn(Duration) -> bool + Send + Sync,
) -> PyResult<bool> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let slice = left.map_or(SLICE, |left| left.min(SLICE));
        if py.detach(|| wait(slice)) {
            return Ok(true);
        }
        py.check_signals()?;
        if left.is_some_and(|left| left <= slice) {
            return Ok(false);
        }
    }
}

/// Returns the end of a time that is given in seconds; `None` for one that never ends.
pub(crate) fn deadline(seconds: Option<f64>) -> Option<Instant> {
    let time = Duration::try_from_secs_f64(seconds?.max(0.0)).ok()?;
    Instant::now().checked_add(time)
}
