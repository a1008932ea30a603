//! Polling for a moment instead of blocking at once.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

/// A yield that takes longer than this has given a time slice to another program.
const CROWDED: Duration = Duration::from_micros(400);

/// Bounds of the time without polling after such a yield. It doubles each time, unless polling was possible
/// for many times as long before.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(1);
const RECOVERY: u64 = 16;

/// Polls with `sched_yield`, but not while other programs need the cores: each yield would then take one of
/// their time slices, which is far longer than waking a thread takes.
#[derive(Debug)]
pub struct Poller {
    base: Instant,
    /// End of the last pause, in nanoseconds since `base`.
    paused_until: AtomicU64,
    /// Length of the last pause in nanoseconds.
    pause: AtomicU64,
}

impl Default for Poller {
    fn default() -> Poller {
        Poller::new()
    }
}

impl Poller {
    /// A poller that has seen no other program yet.
    #[must_use]
    pub fn new() -> Poller {
        Poller { base: Instant::now(), paused_until: AtomicU64::new(0), pause: AtomicU64::new(0) }
    }

    /// Polls until `is_true` or for `time` at the most; returns whether it is true.
    pub fn poll(&self, time: Duration, mut is_true: impl FnMut() -> bool) -> bool {
        let start = Instant::now();
        let mut last = start;
        while !is_true() {
            if last - start >= time || self.is_paused(last) {
                return false;
            }
            thread::yield_now();
            let now = Instant::now();
            if now - last > CROWDED {
                self.pause(now);
            }
            last = now;
        }
        true
    }

    fn is_paused(&self, now: Instant) -> bool {
        nanoseconds(now - self.base) < self.paused_until.load(Ordering::Relaxed)
    }

    /// Starts a pause. Threads that do so at the same time may lose an update, which does no harm.
    fn pause(&self, now: Instant) {
        let now = nanoseconds(now - self.base);
        let last = self.pause.load(Ordering::Relaxed);
        let polled_for = now.saturating_sub(self.paused_until.load(Ordering::Relaxed));
        let pause = if polled_for < RECOVERY * last { 2 * last } else { 0 };
        let pause = pause.clamp(nanoseconds(MIN_PAUSE), nanoseconds(MAX_PAUSE));
        self.pause.store(pause, Ordering::Relaxed);
        self.paused_until.store(now + pause, Ordering::Relaxed);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn polling_ends_with_success_or_with_the_time() {
        let poller = Poller::new();
        assert!(poller.poll(Duration::ZERO, || true));
        assert!(!poller.poll(Duration::from_micros(10), || false));
        let asked = Cell::new(0);
        // Other programs may need the cores at this moment.
        while !poller.poll(Duration::from_secs(1), || asked.replace(asked.get() + 1) >= 3) {}
        assert!(asked.get() > 3);
    }

    #[test]
    fn there_is_no_polling_during_a_pause() {
        let poller = Poller::new();
        poller.pause(Instant::now() + Duration::from_secs(3600));
        let asked = Cell::new(0);
        assert!(!poller.poll(Duration::from_secs(3600), || asked.replace(asked.get() + 1) > 1));
        assert_eq!(asked.get(), 1, "it is asked before it is paused");
    }

    #[test]
    fn pauses_get_longer_while_they_follow_one_another() {
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
