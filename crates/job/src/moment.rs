//! A point in time as a plain number, so that decisions can be tested without a clock.

use std::{ops::Add, time::Duration};

/// Nanoseconds on the system's monotonic clock, which all processes of a machine share.
///
/// ```
/// use std::time::Duration;
/// use job::Moment;
///
/// let start = Moment(1_000);
/// let end = start + Duration::from_micros(2);
/// assert_eq!(end, Moment(3_000));
/// assert_eq!(end.since(start), Duration::from_micros(2));
/// assert_eq!(start.since(end), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    /// The time from `earlier` until this moment; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    /// The moment a duration later; saturates after some 584 years.
    fn add(self, duration: Duration) -> Moment {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Moment(self.0.saturating_add(nanos))
    }
}
