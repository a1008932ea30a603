//! The monotonic clock, which all processes of a machine share.

use std::time::Duration;

use job::MonotonicInstant;
use nix::{
    sys::time::TimeSpec,
    time::{ClockId, clock_gettime},
};

/// The time now; about 25 ns a call.
///
/// # Panics
/// If the system has no monotonic clock, which Linux always has.
#[must_use]
pub fn now() -> MonotonicInstant {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("CLOCK_MONOTONIC exists on Linux");
    MonotonicInstant(nanos(time))
}

/// Notices that this process did not run for a while: it was stopped by a signal or frozen, or the machine was suspended.
///
/// A thread that waits for a deadline waits for at most [`PERIOD`](Heartbeat::PERIOD) at a time, and says before each wait
/// when it will be back. If it is late by more than a busy machine makes it, nothing has run since that wait began, and
/// deadlines that count running time are to be moved by that time.
///
/// ```
/// use std::time::Duration;
/// use sys::clock::{Heartbeat, now};
///
/// let mut heartbeat = Heartbeat::default();
/// let start = now();
/// heartbeat.begin_wait(start, Duration::from_millis(10));
/// assert_eq!(heartbeat.missed_since(start + Duration::from_millis(15)), None);
/// assert_eq!(heartbeat.missed_since(start + Duration::from_secs(3)), Some(start));
/// assert_eq!(heartbeat.missed_since(start + Duration::from_secs(3)), None, "it is told once");
/// ```
#[derive(Debug, Default)]
pub struct Heartbeat {
    /// Start of the wait, and its end.
    wait: Option<(MonotonicInstant, MonotonicInstant)>,
}

impl Heartbeat {
    /// Longest wait, and so the longest time without the process that goes unnoticed, but for [`Self::TOLERANCE`].
    pub const PERIOD: Duration = Duration::from_millis(200);

    /// How late a thread may be because the machine is busy.
    pub const TOLERANCE: Duration = Duration::from_millis(200);

    /// The thread waits from `now` on, for at most `time`.
    pub fn begin_wait(&mut self, now: MonotonicInstant, time: Duration) {
        self.wait = Some((now, now + time));
    }

    /// The thread waits without a deadline.
    pub fn stop(&mut self) {
        self.wait = None;
    }

    /// Whether the thread waits for a deadline.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.wait.is_some()
    }

    /// Start of the wait that took too long, if it did; then the heartbeat begins anew.
    pub fn missed_since(&mut self, now: MonotonicInstant) -> Option<MonotonicInstant> {
        let (start, end) = self.wait?;
        if now.since(end) <= Self::TOLERANCE {
            return None;
        }
        self.begin_wait(now, Self::PERIOD);
        Some(start)
    }
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
