//! Time spent in each stage.

use std::{
    ops::{AddAssign, Index},
    time::Duration,
};

use crate::Stage;

/// Time spent in each stage.
///
/// ```
/// use std::time::Duration;
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::metrics::{Stage, StageTimes};
///
/// let mut stage_times = StageTimes::default();
/// stage_times.add(Stage::Run, Duration::from_nanos(900));
/// stage_times.add(Stage::Wait, Duration::from_nanos(100));
/// assert_eq!((stage_times[Stage::Run].as_nanos(), stage_times.total().as_nanos()), (900, 1000));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageTimes {
    stages: [Duration; Stage::COUNT],
}

impl StageTimes {
    /// Adds time to a stage.
    pub fn add(&mut self, stage: Stage, time: Duration) {
        self.stages[stage as usize] += time;
    }

    /// Moves time from one stage to another; at most what `from` has.
    ///
    /// ```
    /// use std::time::Duration;
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::metrics::{Stage, StageTimes};
    ///
    /// let mut stage_times = StageTimes::default();
    /// stage_times.add(Stage::Read, Duration::from_secs(3));
    /// stage_times.shift(Stage::Read, Stage::Encode, Duration::from_secs(1));
    /// assert_eq!([stage_times[Stage::Read], stage_times[Stage::Encode]].map(|time| time.as_secs()), [2, 1]);
    /// ```
    pub fn shift(&mut self, from: Stage, to: Stage, time: Duration) {
        let time = time.min(self[from]);
        self.stages[from as usize] -= time;
        self.add(to, time);
    }

    /// Returns the sum over all stages.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.stages.iter().sum()
    }

    /// Returns the stages with a time greater than zero, in order.
    ///
    /// ```
    /// use std::time::Duration;
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::metrics::{Stage, StageTimes};
    ///
    /// let mut stage_times = StageTimes::default();
    /// stage_times.add(Stage::Run, Duration::from_secs(1));
    /// assert_eq!(stage_times.stages().collect::<Vec<_>>(), [(Stage::Run, Duration::from_secs(1))]);
    /// ```
    pub fn stages(&self) -> impl Iterator<Item = (Stage, Duration)> {
        Stage::ALL.into_iter().map(|stage| (stage, self[stage])).filter(|(_, time)| !time.is_zero())
    }
}

impl Index<Stage> for StageTimes {
    type Output = Duration;

    fn index(&self, stage: Stage) -> &Duration {
        &self.stages[stage as usize]
    }
}

impl AddAssign<&StageTimes> for StageTimes {
    fn add_assign(&mut self, other: &StageTimes) {
        self.stages.iter_mut().zip(&other.stages).for_each(|(sum, added)| *sum += *added);
    }
}
