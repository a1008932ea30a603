//! Names of sweeps and executors, as on the command line and in tables.

use crate::report::{ExecutorName, Sweep};

impl Sweep {
    /// All sweeps, in the order in which they run.
    pub const ALL: [Sweep; 5] = [Sweep::Grain, Sweep::Workers, Sweep::Batch, Sweep::Codec, Sweep::Transport];

    /// Name on the command line, in JSON and in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Sweep::Grain => "grain",
            Sweep::Workers => "workers",
            Sweep::Batch => "batch",
            Sweep::Codec => "codec",
            Sweep::Transport => "transport",
        }
    }
}

impl ExecutorName {
    /// Name in JSON and in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ExecutorName::Serial => "serial",
            ExecutorName::Threads => "threads",
            ExecutorName::Processes => "processes",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_the_json() {
        for sweep in Sweep::ALL {
            assert_eq!(serde_json::to_value(sweep).unwrap(), sweep.name());
        }
        for executor in [ExecutorName::Serial, ExecutorName::Threads, ExecutorName::Processes] {
            assert_eq!(serde_json::to_value(executor).unwrap(), executor.name());
        }
    }
}
