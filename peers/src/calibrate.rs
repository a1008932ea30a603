//! How much arithmetic makes a nanosecond here.

use std::{hint, time::Instant};

use crate::task::{spin, trial};

/// Turns that take a nanosecond: costs are then given as counts, so that a slow moment does not shorten a job.
#[derive(Clone, Copy)]
pub(crate) struct Calibration {
    spin: f64,
    trial: f64,
}

impl Calibration {
    /// Measures for some 100 ms. The fastest of several attempts is the one that nobody disturbed.
    pub(crate) fn measure() -> Calibration {
        Calibration { spin: turns_per_ns(spin), trial: turns_per_ns(trial) }
    }

    /// Turns of `spin` that take so many nanoseconds.
    pub(crate) fn spin_turns(self, ns: f64) -> u64 {
        (ns * self.spin) as u64
    }

    /// The number whose divisors `trial` finds in so many nanoseconds.
    pub(crate) fn trial_number(self, ns: f64) -> u64 {
        (ns * self.trial) as u64
    }
}

fn turns_per_ns(work: fn(u64) -> u64) -> f64 {
    const TURNS: u64 = 2_000_000;
    let attempt = || {
        let start = Instant::now();
        // Work whose result nobody wants need not be done, as far as the compiler is concerned.
        hint::black_box(work(hint::black_box(TURNS)));
        TURNS as f64 / start.elapsed().as_nanos() as f64
    };
    (0..10).map(|_| attempt()).fold(0.0, f64::max)
}
