//! Waiting for conditions.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Time limit of all waits: longer than any operation takes.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// Waits until a condition holds.
///
/// # Panics
/// On a timeout.
pub fn wait_until(what: &str, is_true: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < TIMEOUT, "timed out waiting until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
