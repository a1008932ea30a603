//! Calibrates the amount of computation per nanosecond on this machine.

use bench::{calibrate::Pace, load::spin};

use crate::task::trial;

/// Pace of each kind of work.
#[derive(Clone, Copy)]
pub(crate) struct Calibration {
    spin: Pace,
    trial: Pace,
}

impl Calibration {
    /// Measures for about 100 ms.
    pub(crate) fn measure() -> Calibration {
        Calibration { spin: Pace::of(spin), trial: Pace::of(trial) }
    }

    /// Returns the number of turns of `spin` that take `ns` nanoseconds.
    pub(crate) fn spin_turns(self, ns: f64) -> u64 {
        self.spin.turns(ns)
    }

    /// Returns the number whose divisors `trial` finds in `ns` nanoseconds.
    pub(crate) fn trial_number(self, ns: f64) -> u64 {
        self.trial.turns(ns)
    }
}
