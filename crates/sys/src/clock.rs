//! The monotonic clock, which all processes of a machine share.

use std::time::Duration;

use job::Moment;
use nix::{
    sys::time::TimeSpec,
    time::{ClockId, clock_gettime},
};

/// The time now; about 25 ns a call.
///
/// # Panics
/// If the system has no monotonic clock, which Linux always has.
#[must_use]
pub fn now() -> Moment {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("CLOCK_MONOTONIC exists on Linux");
    Moment(nanos(time))
}

/// The processor time that this process has used, all of its threads together.
///
/// ```
/// let before = sys::clock::processor_time();
/// (0..1_000_000u64).for_each(|n| {
///     std::hint::black_box(n);
/// });
/// assert!(sys::clock::processor_time() > before);
/// ```
#[must_use]
pub fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, duration)
}

/// The processor time that this thread has used.
///
/// ```
/// assert!(sys::clock::thread_processor_time() <= sys::clock::processor_time());
/// ```
#[must_use]
pub fn thread_processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, duration)
}

pub(crate) fn duration(time: TimeSpec) -> Duration {
    Duration::from_nanos(nanos(time))
}

fn nanos(time: TimeSpec) -> u64 {
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec()).unwrap_or(0)
}
