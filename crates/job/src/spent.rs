//! Time by stage.

use std::{
    ops::{AddAssign, Index},
    time::Duration,
};

use crate::Stage;

/// How much time went into each stage.
///
/// ```
/// use std::time::Duration;
/// use job::{Spent, Stage};
///
/// let mut spent = Spent::default();
/// spent.add(Stage::Run, Duration::from_nanos(900));
/// spent.add(Stage::Wait, Duration::from_nanos(100));
/// assert_eq!((spent[Stage::Run].as_nanos(), spent.total().as_nanos()), (900, 1000));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    stages: [Duration; Stage::COUNT],
}

impl Spent {
    /// Adds time to a stage.
    pub fn add(&mut self, stage: Stage, time: Duration) {
        self.stages[stage as usize] += time;
    }

    /// Takes time out of one stage and puts it into another, as far as there is any.
    ///
    /// ```
    /// use std::time::Duration;
    /// use job::{Spent, Stage};
    ///
    /// let mut spent = Spent::default();
    /// spent.add(Stage::Take, Duration::from_secs(3));
    /// spent.shift(Stage::Take, Stage::Encode, Duration::from_secs(1));
    /// assert_eq!([spent[Stage::Take], spent[Stage::Encode]].map(|time| time.as_secs()), [2, 1]);
    /// ```
    pub fn shift(&mut self, from: Stage, to: Stage, time: Duration) {
        let time = time.min(self[from]);
        self.stages[from as usize] -= time;
        self.add(to, time);
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.stages.iter().sum()
    }

    /// Each stage that took time, in order.
    ///
    /// ```
    /// use std::time::Duration;
    /// use job::{Spent, Stage};
    ///
    /// let mut spent = Spent::default();
    /// spent.add(Stage::Run, Duration::from_secs(1));
    /// assert_eq!(spent.stages().collect::<Vec<_>>(), [(Stage::Run, Duration::from_secs(1))]);
    /// ```
    pub fn stages(&self) -> impl Iterator<Item = (Stage, Duration)> {
        Stage::ALL.into_iter().map(|stage| (stage, self[stage])).filter(|(_, time)| !time.is_zero())
    }
}

impl Index<Stage> for Spent {
    type Output = Duration;

    fn index(&self, stage: Stage) -> &Duration {
        &self.stages[stage as usize]
    }
}

impl AddAssign<&Spent> for Spent {
    fn add_assign(&mut self, other: &Spent) {
        self.stages.iter_mut().zip(&other.stages).for_each(|(mine, more)| *mine += *more);
    }
}
