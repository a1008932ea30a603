//! A point in time as a plain number, so that code can be tested without a clock.

use std::{ops::Add, time::Duration};

/// A point in time in nanoseconds of the system's monotonic clock, which is the same for all processes of a
/// machine.
///
/// ```
/// use std::time::Duration;
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::metrics::MonotonicInstant;
///
/// let start = MonotonicInstant(1_000);
/// let end = start + Duration::from_micros(2);
/// assert_eq!(end, MonotonicInstant(3_000));
/// assert_eq!(end.since(start), Duration::from_micros(2));
/// assert_eq!(start.since(end), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonotonicInstant(pub u64);

impl MonotonicInstant {
    /// Returns the time from `earlier` until this instant; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: MonotonicInstant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for MonotonicInstant {
    type Output = MonotonicInstant;

    /// Returns the instant after a duration; saturates after about 584 years.
    fn add(self, duration: Duration) -> MonotonicInstant {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        MonotonicInstant(self.0.saturating_add(nanos))
    }
}
