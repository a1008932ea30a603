//! Jobs that wait to be encoded on a thread of the pool, and the futures of their submission.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use job::Job;
use parking_lot::Mutex;

use crate::{JobFuture, JobOptions, SubmitError};

/// Jobs that wait to be encoded, in order.
pub(super) struct EncodeQueue<J: Job> {
    state: Mutex<QueueState<J>>,
}

struct QueueState<J: Job> {
    jobs: VecDeque<(J, JobOptions, Reply<J>)>,
    /// Whether a thread takes jobs from the queue.
    has_thread: bool,
}

impl<J: Job> Default for EncodeQueue<J> {
    fn default() -> EncodeQueue<J> {
        EncodeQueue { state: Mutex::new(QueueState { jobs: VecDeque::new(), has_thread: false }) }
    }
}

impl<J: Job> EncodeQueue<J> {
    /// Adds a job. Returns its future, and whether a thread has to be started, which takes all jobs from the
    /// queue.
    pub(super) fn push(&self, job: J, options: JobOptions) -> (SubmitOffThread<J>, bool) {
        let reply = Reply(Arc::new(Mutex::new(ReplyState::Pending(None))));
        let mut state = self.state.lock();
        state.jobs.push_back((job, options, reply.clone()));
        let start = !std::mem::replace(&mut state.has_thread, true);
        (SubmitOffThread { reply }, start)
    }

    /// Removes the next job. If there is none, the thread that calls this has to end.
    pub(super) fn pop(&self) -> Option<(J, JobOptions, Reply<J>)> {
        let mut state = self.state.lock();
        let next = state.jobs.pop_front();
        state.has_thread = next.is_some();
        next
    }
}

/// Place for the result of a submission.
pub(super) struct Reply<J: Job>(Arc<Mutex<ReplyState<J>>>);

enum ReplyState<J: Job> {
    Pending(Option<Waker>),
    Submitted(Result<JobFuture<J>, SubmitError>),
    /// The result has been taken, or the future was dropped.
    Ended,
}

impl<J: Job> Reply<J> {
    fn clone(&self) -> Reply<J> {
        Reply(self.0.clone())
    }

    /// Returns whether the future still exists and has no result.
    pub(super) fn is_wanted(&self) -> bool {
        matches!(*self.0.lock(), ReplyState::Pending(_))
    }

    fn replace(&self, state: ReplyState<J>) -> ReplyState<J> {
        std::mem::replace(&mut *self.0.lock(), state)
    }

    /// Stores the result of the submission and wakes the task that waits for it.
    pub(super) fn answer(&self, submitted: Result<JobFuture<J>, SubmitError>) {
        let mut state = self.0.lock();
        if let ReplyState::Pending(waker) = &mut *state {
            let waker = waker.take();
            *state = ReplyState::Submitted(submitted);
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

/// Future of a job that is encoded on another thread; see
/// [`ProcessPool::submit_off_thread`](crate::ProcessPool::submit_off_thread). Dropping it withdraws the job,
/// unless its encoding has begun.
///
/// ```standalone_crate
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ProcessPool, future::SubmitOffThread, settings::JobOptions};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     pool::enter_if_worker::<Square>();
///     let pool = ProcessPool::builder().workers(1).build()?;
///     let submission: SubmitOffThread<Square> = pool.submit_off_thread(Square(7), JobOptions::new());
///     assert_eq!(smol::block_on(submission)?.result()?, 49);
///     pool.join();
///     Ok(())
/// }
/// ```
#[must_use = "dropping the future withdraws the job"]
pub struct SubmitOffThread<J: Job> {
    reply: Reply<J>,
}

impl<J: Job> Future for SubmitOffThread<J> {
    type Output = Result<JobFuture<J>, SubmitError>;

    /// Waits until the job has been submitted.
    ///
    /// # Panics
    /// If it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.reply.0.lock();
        if let ReplyState::Pending(waker) = &mut *state {
            if !waker.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
                let replaced = waker.replace(context.waker().clone());
                // Not under the lock, because dropping a waker may call any code.
                drop(state);
                drop(replaced);
            }
            return Poll::Pending;
        }
        match std::mem::replace(&mut *state, ReplyState::Ended) {
            ReplyState::Submitted(submitted) => Poll::Ready(submitted),
            ReplyState::Pending(_) | ReplyState::Ended => panic!("polled after the job was submitted"),
        }
    }
}

impl<J: Job> Drop for SubmitOffThread<J> {
    fn drop(&mut self) {
        // Dropped without the lock, because dropping a waker may call any code.
        drop(self.reply.replace(ReplyState::Ended));
    }
}

impl<J: Job> fmt::Debug for SubmitOffThread<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &*self.reply.0.lock() {
            ReplyState::Pending(_) => "pending",
            ReplyState::Submitted(_) => "submitted",
            ReplyState::Ended => "ended",
        };
        f.debug_tuple("SubmitOffThread").field(&format_args!("{state}")).finish()
    }
}
