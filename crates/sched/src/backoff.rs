//! Delay before a failed start or job is tried again.

use std::time::Duration;

/// Delay after the first failed start, or the first death of a job's worker; doubled after each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(10);

/// Maximum number of doublings of the backoff.
const MAX_DOUBLINGS: u32 = 6;

/// Returns the delay after a number of consecutive failures.
pub(crate) fn backoff(failures: u32) -> Duration {
    FIRST_BACKOFF * (1 << failures.saturating_sub(1).min(MAX_DOUBLINGS))
}
