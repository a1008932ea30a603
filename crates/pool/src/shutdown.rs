//! Waiting for the end of an executor, without blocking a thread.

use std::{
    fmt,
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

impl fmt::Debug for Shutdown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Serial,
        future::{AsCompleted, CancelOnDrop, SubmitAsync},
        map::{Map, MapUnordered},
        sample::Byte,
    };

    type Bytes = std::vec::IntoIter<Byte>;

    fn assert_send<T: Send>() {}

    #[test]
    fn futures_and_iterators_can_be_sent_to_other_threads() {
        assert_send::<Shutdown<'_>>();
        assert_send::<SubmitAsync<'_, Byte>>();
        assert_send::<CancelOnDrop<Byte>>();
        assert_send::<AsCompleted<Byte>>();
        assert_send::<Map<'_, Byte, Serial<Byte>, Bytes>>();
        assert_send::<MapUnordered<'_, Byte, Serial<Byte>, Bytes>>();
        #[cfg(target_os = "linux")]
        {
            assert_send::<crate::future::SubmitOffThread<Byte>>();
            assert_send::<crate::functions::FunctionFuture<u64>>();
        }
    }
}
