//! Counts of outcomes by kind.

use std::ops::AddAssign;

use super::record::OutcomeKind;

/// Counts of the run so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Number of jobs read, including invalid ones.
    pub(crate) read: u64,
    /// Number of records taken from the journal of an earlier run.
    pub(crate) recorded: u64,
    /// Number of records written to the output.
    pub(crate) written: u64,
    by_kind: [u64; OutcomeKind::ALL.len()],
}

impl Counts {
    /// Counts a record.
    pub(super) fn add(&mut self, kind: OutcomeKind, is_recorded: bool) {
        self.by_kind[kind as usize] += 1;
        self.recorded += u64::from(is_recorded);
    }

    pub(crate) fn of(&self, kind: OutcomeKind) -> u64 {
        self.by_kind[kind as usize]
    }

    /// Number of jobs that have a record.
    pub(crate) fn done(&self) -> u64 {
        self.by_kind.iter().sum()
    }

    /// Number of jobs that have a record and did not succeed.
    pub(crate) fn failed(&self) -> u64 {
        self.done() - self.of(OutcomeKind::Succeeded)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.read += other.read;
        self.recorded += other.recorded;
        self.written += other.written;
        self.by_kind.iter_mut().zip(other.by_kind).for_each(|(sum, count)| *sum += count);
    }
}
