//! Calibration of work: number of turns for a nanosecond on this machine.

use std::{hint, time::Instant};

/// Turns for a nanosecond. The cost of a job is then a number of turns, so a disturbance does not shorten a
/// job.
#[derive(Clone, Copy, Debug)]
pub struct Pace(f64);

impl Pace {
    /// Calibrates `work`, which gets a number of turns; takes about 50 ms. Uses the fastest of several
    /// attempts, which is the least disturbed one.
    #[must_use]
    pub fn of(work: fn(u64) -> u64) -> Pace {
        const TURNS: u64 = 2_000_000;
        let attempt = || {
            let start = Instant::now();
            // The compiler may drop work whose result is not used.
            hint::black_box(work(hint::black_box(TURNS)));
            TURNS as f64 / start.elapsed().as_nanos() as f64
        };
        Pace((0..10).map(|_| attempt()).fold(0.0, f64::max))
    }

    /// Number of turns that take `ns` nanoseconds.
    #[must_use]
    pub fn turns(self, ns: f64) -> u64 {
        (ns * self.0) as u64
    }
}
