//! Settings of the reorder buffer.

use std::num::NonZeroU64;

use super::Layout;

/// Limits of the jobs between the read of a job and the write of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BufferLimits {
    pub(crate) jobs: usize,
    /// Approximate limit of texts and records together; a single job may exceed it.
    pub(crate) bytes: usize,
}

/// Settings of the reorder buffer of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BufferSettings {
    pub(crate) layout: Layout,
    /// Whether records leave in the order of their jobs.
    pub(crate) is_ordered: bool,
    /// Number of workers. The buffer has room for several jobs of each, whatever the limits.
    pub(crate) workers: usize,
    pub(crate) limits: BufferLimits,
    /// Number of failures at which the buffer is closed.
    pub(crate) max_failures: Option<NonZeroU64>,
}
