//! How much work makes a nanosecond here.

use std::{hint, time::Instant};

/// Turns that take a nanosecond: costs are then given as counts, so that a slow moment does not shorten a job.
#[derive(Clone, Copy, Debug)]
pub struct Pace(f64);

impl Pace {
    /// Of work that takes a number of turns; measures for some 50 ms. The fastest of several attempts is the one that
    /// nobody disturbed.
    #[must_use]
    pub fn of(work: fn(u64) -> u64) -> Pace {
        const TURNS: u64 = 2_000_000;
        let attempt = || {
            let start = Instant::now();
            // Work whose result nobody wants need not be done, as far as the compiler is concerned.
            hint::black_box(work(hint::black_box(TURNS)));
            TURNS as f64 / start.elapsed().as_nanos() as f64
        };
        Pace((0..10).map(|_| attempt()).fold(0.0, f64::max))
    }

    /// How many turns take so many nanoseconds.
    #[must_use]
    pub fn turns(self, ns: f64) -> u64 {
        (ns * self.0) as u64
    }
}
