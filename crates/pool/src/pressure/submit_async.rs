//! The future of a submission.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use job::Job;

use super::{admission_wait::AdmissionWait, gate::Permit};
use crate::{JobFuture, SubmitError};

/// Future of a submission, which resolves to the [`JobFuture`] once there is room in the queue; see
/// [`Executor::submit_async`](crate::Executor::submit_async).
///
/// If there is room, the job has been submitted before the future exists. Dropping the future before it is
/// ready withdraws the job.
///
/// Room that is granted to a waiting future is reserved until the future is polled or dropped: a future that
/// is kept and not polled takes it from others.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ThreadPool};
///
/// let threads = ThreadPool::builder().workers(2).max_queued(10).build();
/// let squares = smol::block_on(async {
///     let mut jobs = Vec::new();
///     for n in 1..=100 {
///         jobs.push(threads.submit_async(Square(n)).await?);
///     }
///     let mut sum = 0;
///     for job in jobs {
///         sum += job.await?;
///     }
///     Ok::<u64, Box<dyn std::error::Error>>(sum)
/// });
/// assert_eq!(squares?, 338_350);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a job that has to wait for room is submitted only if the future is awaited"]
pub struct SubmitAsync<'e, J: Job> {
    state: State<'e, J>,
}

/// Result of a submission.
pub(super) type Submitted<J> = Result<JobFuture<J>, SubmitError>;

enum State<'e, J: Job> {
    Done(Submitted<J>),
    Waiting { wait: AdmissionWait, submit: Box<dyn FnOnce(Permit) -> Submitted<J> + Send + 'e> },
    Ended,
}

impl<'e, J: Job> SubmitAsync<'e, J> {
    /// Returns a future that is ready.
    pub(crate) fn ready(submitted: Submitted<J>) -> SubmitAsync<'e, J> {
        SubmitAsync { state: State::Done(submitted) }
    }

    /// Returns a future that calls `submit` once there is room.
    pub(crate) fn waiting(
        wait: AdmissionWait,
        submit: impl FnOnce(Permit) -> Submitted<J> + Send + 'e,
    ) -> SubmitAsync<'e, J> {
        SubmitAsync { state: State::Waiting { wait, submit: Box::new(submit) } }
    }
}

impl<J: Job> Future for SubmitAsync<'_, J> {
    type Output = Submitted<J>;

    /// Submits the job if there is room.
    ///
    /// # Panics
    /// If it is polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Submitted<J>> {
        if let State::Waiting { wait, .. } = &self.state {
            let Poll::Ready(permit) = wait.poll(context) else { return Poll::Pending };
            let State::Waiting { submit, .. } = std::mem::replace(&mut self.state, State::Ended) else {
                unreachable!("the state was just matched")
            };
            return Poll::Ready(submit(permit));
        }
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Done(submitted) => Poll::Ready(submitted),
            State::Waiting { .. } | State::Ended => panic!("polled after the job was submitted"),
        }
    }
}

impl<J: Job> Unpin for SubmitAsync<'_, J> {}

impl<J: Job> fmt::Debug for SubmitAsync<'_, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Done(_) => "submitted",
            State::Waiting { .. } => "waiting for room",
            State::Ended => "ended",
        };
        f.debug_tuple("SubmitAsync").field(&format_args!("{state}")).finish()
    }
}
