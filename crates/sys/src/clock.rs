//! The monotonic clock, which is shared by all processes of a machine, and CPU time clocks.

use std::time::Duration;

use job::MonotonicInstant;
use nix::{
    sys::time::TimeSpec,
    time::{ClockId, clock_gettime},
};

/// Returns the current time. A call takes about 25 ns.
///
/// # Panics
/// If the system has no monotonic clock; Linux always has one.
#[must_use]
pub fn now() -> MonotonicInstant {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("CLOCK_MONOTONIC exists on Linux");
    MonotonicInstant(nanos(time))
}

/// Detects that this process did not run for a while, because it was stopped by a signal or frozen, or
/// because the machine was suspended.
///
/// A thread that waits for a deadline waits for at most [`PERIOD`](Heartbeat::PERIOD) at a time, and records
/// before each wait when it will end. If the thread wakes up later than a busy machine explains, the process
/// has not run since that wait began, and deadlines that count running time must be moved by that time.
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
/// assert_eq!(heartbeat.missed_since(start + Duration::from_secs(3)), None, "reported once");
/// ```
#[derive(Debug, Default)]
pub struct Heartbeat {
    /// Start and expected end of the wait.
    wait: Option<(MonotonicInstant, MonotonicInstant)>,
}

impl Heartbeat {
    /// Longest wait. Together with [`Self::TOLERANCE`] the bound on undetected pauses.
    pub const PERIOD: Duration = Duration::from_millis(200);

    /// Delay of a wake-up that a busy machine explains.
    pub const TOLERANCE: Duration = Duration::from_millis(200);

    /// Records that the thread waits from `now` on, for at most `time`.
    pub fn begin_wait(&mut self, now: MonotonicInstant, time: Duration) {
        self.wait = Some((now, now + time));
    }

    /// Records that the thread waits without a deadline.
    pub fn stop(&mut self) {
        self.wait = None;
    }

    /// Returns true if the thread waits for a deadline.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.wait.is_some()
    }

    /// Returns the start of the wait if it ended too late, and begins a new wait at `now`; else returns
    /// `None`.
    pub fn missed_since(&mut self, now: MonotonicInstant) -> Option<MonotonicInstant> {
        let (start, end) = self.wait?;
        if now.since(end) <= Self::TOLERANCE {
            return None;
        }
        self.begin_wait(now, Self::PERIOD);
        Some(start)
    }
}

/// Returns the CPU time used by all threads of this process.
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

/// Returns the CPU time used by this thread.
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
