//! Recent rate of a growing count.

use std::time::{Duration, Instant};

/// Time over which the rate is averaged, if the count is read often enough.
const SPAN: Duration = Duration::from_secs(10);

/// Rate of a count, averaged exponentially over the last seconds.
#[derive(Debug)]
pub(super) struct RateMeter {
    last: (Instant, u64),
    /// Counts per second; `None` before the second reading.
    rate: Option<f64>,
}

impl RateMeter {
    /// Starts with a count.
    pub(super) fn new(now: Instant, count: u64) -> RateMeter {
        RateMeter { last: (now, count), rate: None }
    }

    /// Adds a reading; returns the rate per second, which is 0 before the second reading.
    pub(super) fn note(&mut self, now: Instant, count: u64) -> f64 {
        let (then, before) = self.last;
        let time = now.saturating_duration_since(then).as_secs_f64();
        if time > 0.0 {
            let recent = count.saturating_sub(before) as f64 / time;
            let weight = (time / SPAN.as_secs_f64()).min(1.0);
            self.rate = Some(self.rate.map_or(recent, |rate| rate + weight * (recent - rate)));
            self.last = (now, count);
        }
        self.rate.unwrap_or(0.0)
    }
}

/// Returns the time until `left` more are counted; `None` if that is unknown.
pub(super) fn time_left(left: u64, rate: f64) -> Option<Duration> {
    if left == 0 {
        return Some(Duration::ZERO);
    }
    Duration::try_from_secs_f64(left as f64 / rate).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_recent_rate() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut meter = RateMeter::new(start, 500);
        assert_eq!(meter.note(start, 500), 0.0);
        assert_eq!(meter.note(at(2), 700), 100.0, "what was there before does not count");
        assert_eq!(meter.note(at(3), 700), 90.0);
        assert_eq!(meter.note(at(13), 720), 2.0);
    }

    #[test]
    fn time_left_is_unknown_while_nothing_is_counted() {
        assert_eq!(time_left(50, 100.0), Some(Duration::from_millis(500)));
        assert_eq!((time_left(50, 0.0), time_left(0, 0.0)), (None, Some(Duration::ZERO)));
    }
}
