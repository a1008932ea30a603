//! Number and size of jobs.

use std::ops::{AddAssign, SubAssign};

/// Number of jobs, and their encoded size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) jobs: u64,
    pub(crate) bytes: u64,
}

impl AddAssign for Load {
    fn add_assign(&mut self, other: Load) {
        self.jobs += other.jobs;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

impl SubAssign for Load {
    fn sub_assign(&mut self, other: Load) {
        self.jobs -= other.jobs;
        self.bytes -= other.bytes;
    }
}
