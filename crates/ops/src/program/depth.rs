//! How many requests are written ahead.
//!
//! A program that has a request in its pipe when it has answered one does not wait for the worker. A second request is
//! enough for that if a reply takes long; if replies come faster than the worker can be woken, it takes as many as the
//! program answers in the time between two looks.

use std::time::Duration;

use super::Depth;

/// Number of requests that are ever written ahead.
const MAX: usize = 1_024;

/// Time that the requests written ahead should keep the program busy.
const AHEAD: Duration = Duration::from_millis(2);

/// With replies that take longer than this, a request ahead would gain nothing.
const SLOW: Duration = Duration::from_millis(5);

/// With replies that take longer than this, the worker waits for each.
const FAST: Duration = Duration::from_micros(50);

/// The longest time between two looks.
const MAX_NAP: Duration = Duration::from_millis(1);

/// Learns how fast a program replies.
#[derive(Debug)]
pub(super) struct Pace {
    depth: Depth,
    /// Mean time of a reply, recent ones weighing most; `None` until there are some.
    mean: Option<Duration>,
    has_replied: bool,
}

impl Pace {
    pub(super) fn new(depth: Depth) -> Pace {
        Pace { depth, mean: None, has_replied: false }
    }

    /// Notes that `count` replies have come within this time, in which the program had requests.
    pub(super) fn learn(&mut self, count: u32, time: Duration) {
        // The first reply of a program is no example of the others.
        if count == 0 || !std::mem::replace(&mut self.has_replied, true) {
            return;
        }
        let each = time / count;
        self.mean = Some(self.mean.map_or(each, |mean| (mean * 7 + each) / 8));
    }

    /// Number of requests that may be unanswered.
    pub(super) fn depth(&self) -> usize {
        match (self.depth, self.mean) {
            (Depth::Fixed(depth), _) => usize::try_from(depth.get()).unwrap_or(MAX),
            (Depth::Auto, None) => 1,
            (Depth::Auto, Some(mean)) if mean > SLOW => 1,
            (Depth::Auto, Some(mean)) => {
                let ahead = AHEAD.as_nanos() / mean.as_nanos().max(1);
                usize::try_from(ahead).unwrap_or(MAX).clamp(2, MAX)
            }
        }
    }

    /// Time to let pass before looking for replies, with this many requests unanswered: until the program has answered
    /// about half of them. `None`: wait for the next one.
    pub(super) fn nap(&self, unanswered: usize) -> Option<Duration> {
        let mean = self.mean.filter(|&mean| mean <= FAST)?;
        let half = u32::try_from(unanswered / 2).ok().filter(|&half| half >= 4)?;
        Some((mean * half).min(MAX_NAP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace_of(each: Duration) -> Pace {
        let mut pace = Pace::new(Depth::Auto);
        pace.learn(1, Duration::from_secs(1));
        pace.learn(10, each * 10);
        pace
    }

    #[test]
    fn nothing_is_written_ahead_before_replies_have_proved_fast() {
        let mut pace = Pace::new(Depth::Auto);
        assert_eq!(pace.depth(), 1);
        pace.learn(1, Duration::ZERO);
        assert_eq!(pace.depth(), 1, "the first reply is no example");
        assert_eq!(pace_of(Duration::from_millis(20)).depth(), 1);
    }

    #[test]
    fn the_faster_the_replies_the_more_is_written_ahead() {
        assert_eq!(pace_of(Duration::from_millis(4)).depth(), 2);
        assert_eq!(pace_of(Duration::from_micros(20)).depth(), 100);
        assert_eq!(pace_of(Duration::from_nanos(100)).depth(), MAX);
        assert_eq!(pace_of(Duration::ZERO).depth(), MAX);
    }

    #[test]
    fn only_fast_replies_are_waited_for_by_time() {
        assert_eq!(pace_of(Duration::from_millis(1)).nap(100), None);
        assert_eq!(pace_of(Duration::from_micros(10)).nap(2), None);
        assert_eq!(pace_of(Duration::from_micros(10)).nap(20), Some(Duration::from_micros(100)));
        assert_eq!(pace_of(Duration::from_micros(10)).nap(1_000), Some(MAX_NAP));
    }

    #[test]
    fn a_fixed_depth_stays() {
        let mut pace = Pace::new(Depth::Fixed(3.try_into().unwrap()));
        assert_eq!(pace.depth(), 3);
        pace.learn(100, Duration::from_micros(1));
        pace.learn(100, Duration::from_micros(1));
        assert_eq!(pace.depth(), 3);
    }
}
