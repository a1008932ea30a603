//! Number of pipelined requests.
//!
//! A program that finds the next request in its pipe after a reply does not wait for the worker. If replies
//! take long, a second request suffices for that. If the program replies faster than the worker can be woken,
//! it needs as many requests as it answers between two polls of the worker.

use std::time::Duration;

use super::Depth;

/// Maximum number of unanswered requests.
const MAX_DEPTH: usize = 1_024;

/// Time for which the pipelined requests should keep the program busy.
const TARGET_BUSY: Duration = Duration::from_millis(2);

/// Time per reply above which pipelining gains nothing.
const SLOW_REPLY: Duration = Duration::from_millis(5);

/// Time per reply above which the worker waits for each reply.
const FAST_REPLY: Duration = Duration::from_micros(50);

/// Maximum delay between two polls for replies.
const MAX_POLL_DELAY: Duration = Duration::from_millis(1);

/// Adjusts the number of pipelined requests to the program's reply times.
#[derive(Debug)]
pub(super) struct DepthControl {
    depth: Depth,
    /// Moving average of the time per reply; `None` before the second reply.
    mean: Option<Duration>,
    has_replied: bool,
}

impl DepthControl {
    pub(super) fn new(depth: Depth) -> DepthControl {
        DepthControl { depth, mean: None, has_replied: false }
    }

    /// Records that `count` replies arrived within `time`, during which the program always had requests.
    pub(super) fn record(&mut self, count: u32, time: Duration) {
        // The first reply of a program is not representative.
        if count == 0 || !std::mem::replace(&mut self.has_replied, true) {
            return;
        }
        let each = time / count;
        self.mean = Some(self.mean.map_or(each, |mean| (mean * 7 + each) / 8));
    }

    /// Returns the maximum number of unanswered requests.
    pub(super) fn depth(&self) -> usize {
        match (self.depth, self.mean) {
            (Depth::Fixed(depth), _) => usize::try_from(depth.get()).unwrap_or(MAX_DEPTH),
            (Depth::Auto, None) => 1,
            (Depth::Auto, Some(mean)) if mean > SLOW_REPLY => 1,
            (Depth::Auto, Some(mean)) => {
                let depth = TARGET_BUSY.as_nanos() / mean.as_nanos().max(1);
                usize::try_from(depth).unwrap_or(MAX_DEPTH).clamp(2, MAX_DEPTH)
            }
        }
    }

    /// Returns the delay before the next poll for replies: the time in which the program answers about half
    /// of the `unanswered` requests. Returns `None` if the worker should wait for the next reply instead.
    pub(super) fn poll_delay(&self, unanswered: usize) -> Option<Duration> {
        let mean = self.mean.filter(|&mean| mean <= FAST_REPLY)?;
        let half = u32::try_from(unanswered / 2).ok().filter(|&half| half >= 4)?;
        Some((mean * half).min(MAX_POLL_DELAY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control_with(mean: Duration) -> DepthControl {
        let mut control = DepthControl::new(Depth::Auto);
        control.record(1, Duration::from_secs(1));
        control.record(10, mean * 10);
        control
    }

    #[test]
    fn does_not_pipeline_before_replies_have_been_fast() {
        let mut control = DepthControl::new(Depth::Auto);
        assert_eq!(control.depth(), 1);
        control.record(1, Duration::ZERO);
        assert_eq!(control.depth(), 1, "the first reply was counted");
        assert_eq!(control_with(Duration::from_millis(20)).depth(), 1);
    }

    #[test]
    fn depth_grows_with_the_speed_of_replies() {
        assert_eq!(control_with(Duration::from_millis(4)).depth(), 2);
        assert_eq!(control_with(Duration::from_micros(20)).depth(), 100);
        assert_eq!(control_with(Duration::from_nanos(100)).depth(), MAX_DEPTH);
        assert_eq!(control_with(Duration::ZERO).depth(), MAX_DEPTH);
    }

    #[test]
    fn polls_with_a_delay_for_fast_replies_only() {
        assert_eq!(control_with(Duration::from_millis(1)).poll_delay(100), None);
        assert_eq!(control_with(Duration::from_micros(10)).poll_delay(2), None);
        assert_eq!(control_with(Duration::from_micros(10)).poll_delay(20), Some(Duration::from_micros(100)));
        assert_eq!(control_with(Duration::from_micros(10)).poll_delay(1_000), Some(MAX_POLL_DELAY));
    }

    #[test]
    fn fixed_depth_does_not_change() {
        let mut control = DepthControl::new(Depth::Fixed(3.try_into().unwrap()));
        assert_eq!(control.depth(), 3);
        control.record(100, Duration::from_micros(1));
        control.record(100, Duration::from_micros(1));
        assert_eq!(control.depth(), 3);
    }
}
