//! How much arithmetic makes a nanosecond here.

use bench::{calibrate::Pace, load::spin};

use crate::task::trial;

/// The pace of each kind of work.
#[derive(Clone, Copy)]
pub(crate) struct Calibration {
    spin: Pace,
    trial: Pace,
}

impl Calibration {
    /// Measures for some 100 ms.
    pub(crate) fn measure() -> Calibration {
        Calibration { spin: Pace::of(spin), trial: Pace::of(trial) }
    }

    /// Turns of `spin` that take so many nanoseconds.
    pub(crate) fn spin_turns(self, ns: f64) -> u64 {
        self.spin.turns(ns)
    }

    /// The number whose divisors `trial` finds in so many nanoseconds.
    pub(crate) fn trial_number(self, ns: f64) -> u64 {
        self.trial.turns(ns)
    }
}
