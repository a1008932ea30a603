//! Number and size of jobs.

use std::ops::{AddAssign, SubAssign};

/// Number of jobs, and their encoded size. Expected sizes count as well, each up to the bound on the queue,
/// so the sum of sizes can exceed the range of a `u64`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) jobs: u64,
    pub(crate) bytes: u128,
}

impl AddAssign for Load {
    fn add_assign(&mut self, other: Load) {
        self.jobs += other.jobs;
        self.bytes += other.bytes;
    }
}

impl SubAssign for Load {
    fn sub_assign(&mut self, other: Load) {
        self.jobs -= other.jobs;
        self.bytes -= other.bytes;
    }
}
