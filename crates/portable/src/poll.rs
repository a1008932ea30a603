//! Polling for a short time before blocking.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

/// A yield that takes longer than this gave a time slice to another process.
const SLOW_YIELD: Duration = Duration::from_micros(400);

/// Bounds of the pause without polling after such a yield. The pause doubles each time, unless polling was
/// possible for at least `RECOVERY` times the last pause before it.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(1);
const RECOVERY: u64 = 16;

/// Polls with `sched_yield`, except while other processes need the cores: each yield would then cost one of
/// their time slices, which is far longer than waking a thread.
#[derive(Debug)]
pub struct Poller {
    base: Instant,
    /// End of the last pause, in nanoseconds since `base`.
    paused_until: AtomicU64,
    /// Length of the last pause, in nanoseconds.
    pause: AtomicU64,
}

impl Default for Poller {
    fn default() -> Poller {
        Poller::new()
    }
}

impl Poller {
    /// Creates a poller that is not paused.
    #[must_use]
    pub fn new() -> Poller {
        Poller { base: Instant::now(), paused_until: AtomicU64::new(0), pause: AtomicU64::new(0) }
    }

    /// Polls until `is_true` returns true or `time` is over; returns its last result. Returns early without
    /// polling while paused.
    pub fn poll(&self, time: Duration, mut is_true: impl FnMut() -> bool) -> bool {
        let start = Instant::now();
        let mut last = start;
        while !is_true() {
            if last - start >= time || self.is_paused(last) {
                return false;
            }
            thread::yield_now();
            let now = Instant::now();
            if now - last > SLOW_YIELD {
                self.pause(now);
            }
            last = now;
        }
        true
    }

    fn is_paused(&self, now: Instant) -> bool {
        as_nanos(now - self.base) < self.paused_until.load(Ordering::Relaxed)
    }

    /// Starts a pause. Concurrent calls may lose an update, which is harmless.
    fn pause(&self, now: Instant) {
        let now = as_nanos(now - self.base);
        let last = self.pause.load(Ordering::Relaxed);
        let polled_for = now.saturating_sub(self.paused_until.load(Ordering::Relaxed));
        let pause = if polled_for < RECOVERY * last { 2 * last } else { 0 };
        let pause = pause.clamp(as_nanos(MIN_PAUSE), as_nanos(MAX_PAUSE));
        self.pause.store(pause, Ordering::Relaxed);
        self.paused_until.store(now + pause, Ordering::Relaxed);
    }
}

fn as_nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn polls_until_true_or_timeout() {
        let poller = Poller::new();
        assert!(poller.poll(Duration::ZERO, || true));
        assert!(!poller.poll(Duration::from_micros(10), || false));
        let calls = Cell::new(0);
        // Polling stops early while other processes need the cores.
        while !poller.poll(Duration::from_secs(1), || calls.replace(calls.get() + 1) >= 3) {}
        assert!(calls.get() > 3);
    }

    #[test]
    fn does_not_poll_while_paused() {
        let poller = Poller::new();
        poller.pause(Instant::now() + Duration::from_secs(3600));
        let calls = Cell::new(0);
        assert!(!poller.poll(Duration::from_secs(3600), || calls.replace(calls.get() + 1) > 1));
        assert_eq!(calls.get(), 1, "the condition is checked once, before the pause");
    }

    #[test]
    fn consecutive_pauses_double() {
        let poller = Poller::new();
        let pause_at = |time| {
            poller.pause(poller.base + time);
            Duration::from_nanos(poller.pause.load(Ordering::Relaxed))
        };
        let mut now = Duration::from_secs(10);
        for expected in [100, 200, 400, 800, 1000, 1000].map(Duration::from_millis) {
            assert_eq!(pause_at(now), expected);
            now += expected + Duration::from_millis(100);
        }
        assert_eq!(pause_at(now + Duration::from_secs(16)), MIN_PAUSE);
    }
}
