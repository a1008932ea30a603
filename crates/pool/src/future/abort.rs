//! Ending a job whose outcome is no longer needed.

use std::{
    fmt,
    future::Future,
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use job::{Job, Outcome};

use super::{handle::JobFuture, slot::Slots};

/// Handle that can end a job, without access to its outcome; see [`JobFuture::abort_handle`].
///
/// It does not depend on the type of the job, so that handles of different jobs can be kept together. It does
/// not keep the outcome in memory.
///
/// ```
/// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
/// use pool::{Executor, ThreadPool, future::AbortHandle};
///
/// let threads = ThreadPool::new(1, ());
/// let (first, second) = (threads.submit(Gate(1))?, threads.submit(Gate(2))?);
/// arrival(); // waits until the first one runs
/// let handles: Vec<AbortHandle> = vec![second.abort_handle()];
/// handles.iter().for_each(AbortHandle::abort);
/// assert!(second.is_cancelled() && handles[0].is_finished());
/// open();
/// assert_eq!(first.result()?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AbortHandle(Arc<dyn Abort>);

/// A job that can be ended.
trait Abort: Send + Sync {
    fn abort(&self);
    fn is_finished(&self) -> bool;
}

/// A job, without a handle to its slot: that would keep the outcome in memory.
struct JobPlace<J: Job> {
    slots: Arc<Slots<J>>,
    index: usize,
}

impl<J: Job> Abort for JobPlace<J> {
    fn abort(&self) {
        if let Some((control, ticket)) = self.slots.control_of(self.index) {
            control.kill(ticket);
        }
    }

    fn is_finished(&self) -> bool {
        self.slots.kind(self.index).is_some()
    }
}

impl AbortHandle {
    /// Cancels the job, even if it is running, as [`JobFuture::kill`] does: on a
    /// [`ProcessPool`](crate::ProcessPool) the worker is killed and replaced; on other executors a running
    /// job continues. Has no effect if the job has an outcome.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, Serial};
    ///
    /// let job = Serial::new(()).submit(Square(5))?;
    /// job.abort_handle().abort(); // too late
    /// assert_eq!(job.result()?, 25);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Returns whether the job has an outcome.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, Serial};
    ///
    /// assert!(Serial::new(()).submit(Square(5))?.abort_handle().is_finished());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("is_finished", &self.is_finished()).finish()
    }
}

/// A future of a job that cancels the job when it is dropped before the job has an outcome; see
/// [`JobFuture::cancel_on_drop`].
///
/// It dereferences to the [`JobFuture`]. Clones of that do not cancel the job, and do not keep it from being
/// cancelled.
///
/// ```
/// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
/// use pool::{Executor, ThreadPool};
///
/// let threads = ThreadPool::new(1, ());
/// let first = threads.submit(Gate(1))?.cancel_on_drop(); // runs until the gate is opened
/// arrival(); // waits until it runs
/// let second = threads.submit(Gate(2))?;
/// drop(second.clone().cancel_on_drop());
/// assert!(second.is_cancelled());
/// open();
/// assert_eq!(smol::block_on(first)?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "the job is cancelled when this is dropped"]
pub struct CancelOnDrop<J: Job> {
    job: JobFuture<J>,
    is_armed: bool,
}

impl<J: Job> CancelOnDrop<J> {
    /// Returns the future of the job, which is no longer cancelled when it is dropped.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let job = threads.submit(Square(5))?.cancel_on_drop();
    /// let detached = job.into_inner();
    /// assert_eq!(detached.result()?, 25);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn into_inner(mut self) -> JobFuture<J> {
        self.is_armed = false;
        self.job.clone()
    }
}

impl<J: Job> Deref for CancelOnDrop<J> {
    type Target = JobFuture<J>;

    fn deref(&self) -> &JobFuture<J> {
        &self.job
    }
}

impl<J: Job> Future for CancelOnDrop<J> {
    type Output = Outcome<J>;

    /// Polls for the outcome and moves it out.
    ///
    /// # Errors
    /// As for [`JobFuture::join`].
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome<J>> {
        Pin::new(&mut self.job).poll(context)
    }
}

impl<J: Job> Drop for CancelOnDrop<J> {
    fn drop(&mut self) {
        if self.is_armed {
            self.job.kill();
        }
    }
}

impl<J: Job> JobFuture<J> {
    /// Returns a future that cancels the job when it is dropped before the job has an outcome, even if the
    /// job is running, as [`kill`](JobFuture::kill) does. For a service whose clients may leave: the job of a
    /// request ends with the request's task.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let job = threads.submit(Square(5))?.cancel_on_drop();
    /// assert_eq!(smol::block_on(job)?, 25);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_on_drop(self) -> CancelOnDrop<J> {
        CancelOnDrop { job: self, is_armed: true }
    }

    /// Returns a handle that can end the job but does not depend on its type.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let job = ThreadPool::new(1, ()).submit(Square(5))?;
    /// let handle = job.abort_handle();
    /// job.result()?;
    /// assert!(handle.is_finished());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        let (slots, index) = self.slot().place();
        AbortHandle(Arc::new(JobPlace { slots: slots.clone(), index }))
    }
}
