//! Waiting for the end of an executor, without blocking a thread.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use crate::sealed::Sealed;

/// Future returned by [`Executor::shutdown`](crate::Executor::shutdown): resolves when all jobs are resolved
/// and all workers have exited. Dropping it does not reopen the executor, and the shutdown continues.
#[must_use = "the executor is closed, but only awaiting this waits for its jobs"]
pub struct Shutdown<'e> {
    executor: &'e dyn Sealed,
}

impl<'e> Shutdown<'e> {
    pub(crate) fn new(executor: &'e dyn Sealed) -> Shutdown<'e> {
        Shutdown { executor }
    }
}

impl Future for Shutdown<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.executor.poll_end(context)
    }
}
