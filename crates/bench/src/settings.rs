//! Settings of a measurement.

use std::time::Duration;

use pool::settings::available_cores;

use crate::{report::Sweep, starts::Starts};

/// Sweeps to measure, and the number and length of runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Measure fewer points of each sweep.
    pub quick: bool,
    /// Number of workers in sweeps that do not vary it.
    pub workers: usize,
    /// Number of timed rounds; each candidate runs once in each.
    pub rounds: usize,
    /// Approximate length of one run.
    pub run_time: Duration,
    /// Sweeps to run, in this order.
    pub sweeps: Vec<Sweep>,
    /// Held while workers are starting, so that a signal handler can wait for them.
    pub starts: Starts,
}

impl Settings {
    /// Returns the defaults of a quick or a full measurement: all sweeps, one worker for each available core.
    #[must_use]
    pub fn with_defaults(quick: bool) -> Settings {
        let millis = if quick { 60 } else { 200 };
        Settings {
            quick,
            workers: available_cores().min(pool::settings::MAX_WORKERS),
            rounds: 5,
            run_time: Duration::from_millis(millis),
            sweeps: Sweep::ALL.to_vec(),
            starts: Starts::default(),
        }
    }
}
