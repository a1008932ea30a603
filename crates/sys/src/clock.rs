//! The monotonic clock, which all processes of a machine share.

use job::Moment;
use nix::time::{ClockId, clock_gettime};

/// The time now; about 25 ns a call.
///
/// # Panics
/// If the system has no monotonic clock, which Linux always has.
#[must_use]
pub fn now() -> Moment {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("CLOCK_MONOTONIC exists on Linux");
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
    Moment(seconds * 1_000_000_000 + nanos)
}
