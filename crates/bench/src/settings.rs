//! What a run of the sweeps is asked for.

use std::time::Duration;

use pool::available_cores;

use crate::{report::Sweep, starts::Starts};

/// What is measured, and how thoroughly.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Fewer points.
    pub quick: bool,
    /// How many workers there are where nothing else is varied.
    pub workers: usize,
    /// How often everybody runs.
    pub rounds: usize,
    /// About how long each of these runs takes.
    pub run_time: Duration,
    /// Which sweeps.
    pub sweeps: Vec<Sweep>,
    /// Tells others when workers are starting.
    pub starts: Starts,
}

impl Settings {
    /// What is usual, for a quick look or a whole measurement: all sweeps, with a worker a core.
    #[must_use]
    pub fn usual(quick: bool) -> Settings {
        let millis = if quick { 60 } else { 200 };
        Settings {
            quick,
            workers: available_cores().min(pool::MAX_WORKERS),
            rounds: 5,
            run_time: Duration::from_millis(millis),
            sweeps: Sweep::ALL.to_vec(),
            starts: Starts::default(),
        }
    }
}
