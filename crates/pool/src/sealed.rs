//! What keeps [`Executor`](crate::Executor) from being implemented outside of this project.

use std::task::{Context, Poll};

/// Supertrait of [`Executor`](crate::Executor), which can therefore get methods without breaking programs.
/// Not part of the stable interface.
pub trait Sealed: Send + Sync {
    /// Returns whether all jobs are resolved and all workers have exited; if not, wakes the task when that is
    /// so. The executor has been closed before.
    fn poll_end(&self, context: &mut Context<'_>) -> Poll<()>;
}
