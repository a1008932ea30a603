//! Failed attempts of one job.

use job::Death;

/// Failed attempts of a job.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts {
    deaths: u32,
    timeouts: u32,
    /// The first death of each cause. Bounded by the number of different causes.
    causes: Vec<Death>,
}

impl Attempts {
    pub(crate) fn note_death(&mut self, death: Death) {
        self.deaths += 1;
        if self.causes.iter().all(|known| known.cause != death.cause) {
            self.causes.push(death);
        }
    }

    pub(crate) fn note_timeout(&mut self) {
        self.timeouts += 1;
    }

    /// Number of attempts during which the worker died.
    pub(crate) fn deaths(&self) -> u32 {
        self.deaths
    }

    /// Number of attempts that exceeded the time limit.
    pub(crate) fn timeouts(&self) -> u32 {
        self.timeouts
    }

    /// Number of failed attempts.
    pub(crate) fn count(&self) -> u32 {
        self.deaths + self.timeouts
    }

    /// Returns the deaths that had other causes than `last`.
    pub(crate) fn of_other_causes(&self, last: Option<Death>) -> Box<[Death]> {
        let differs = |death: &&Death| last.is_none_or(|last| last.cause != death.cause);
        self.causes.iter().filter(differs).copied().collect()
    }
}
