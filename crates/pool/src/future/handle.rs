//! The caller's side of a job that was submitted.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use job::{Job, JobError, Outcome};

use super::{
    control::{Control, Ticket},
    kind::Kind,
    slot::{Slot, Slots},
};
use crate::{JobOptions, Sink, Submitter};

/// Why a job was not taken.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, SubmitError, Serial};
///
/// let serial = Serial::new(());
/// serial.close();
/// assert_eq!(serial.submit(Square(3)).err(), Some(SubmitError::Closed));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The executor was closed or stopped.
    #[error("the executor takes no more jobs")]
    Closed,
    /// The executor is broken, for this reason.
    #[error("the executor is broken: {0}")]
    Broken(Arc<str>),
}

/// Why there is no output.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, JobError, ResultError, Serial};
///
/// let job = Serial::new(()).submit(Square(u64::MAX))?;
/// match job.result(None) {
///     Err(ResultError::Failed(JobError::Failed(error))) => assert!(error.ends_with("overflows")),
///     Err(other) => panic!("no outcome, because {other}"),
///     Ok(square) => panic!("a square of {square}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, thiserror::Error)]
pub enum ResultError<E> {
    /// There is no outcome yet, and the time is over. The job goes on.
    #[error("the job has no outcome yet")]
    TimedOut,
    /// The job ended without an output.
    #[error(transparent)]
    Failed(#[from] JobError<E>),
    /// The outcome was moved out before.
    #[error("the outcome of the job has been taken already")]
    Taken,
    /// The job was not taken in the first place.
    #[error(transparent)]
    Refused(SubmitError),
}

/// A job that was submitted.
///
/// Handles can be cloned and shared between threads; all of them see the same outcome. Dropping them neither
/// cancels the job nor waits for it.
///
/// As a [`Future`] it resolves to the job's outcome, moved out; it can be awaited on any runtime.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ThreadPool};
///
/// let threads = ThreadPool::new(2, ());
/// let job = threads.submit(Square(12))?;
/// assert_eq!(job.clone().result(None)?, 144);
/// assert_eq!(smol::block_on(job)?, 144);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JobFuture<J: Job> {
    slot: Slot<J>,
}

impl<J: Job> Clone for JobFuture<J> {
    fn clone(&self) -> JobFuture<J> {
        JobFuture { slot: self.slot.clone() }
    }
}

impl<J: Job> JobFuture<J> {
    pub(crate) fn new(slot: Slot<J>) -> JobFuture<J> {
        JobFuture { slot }
    }

    /// Pushes a job through an submitter of its own: all that an executor needs that has submitters, and no better way to make a
    /// future. The future's `cancel` and `kill` can do nothing about the job.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, JobFuture, JobOptions, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let job = JobFuture::through(|sink| threads.submitter(sink), Square(5), JobOptions::default())?;
    /// assert_eq!(job.result(None)?, 25);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the submitter takes no more jobs.
    pub fn through(
        submitter: impl FnOnce(Arc<dyn Sink<J>>) -> Box<dyn Submitter<J>>,
        job: J,
        options: JobOptions,
    ) -> Result<JobFuture<J>, SubmitError> {
        let slots = Slots::new(1, None);
        let future = JobFuture::new(Slot::new(&slots, 0));
        let mut submitter = submitter(Arc::new(slots));
        match submitter.refusal() {
            Some(refused) => Err(refused),
            None => {
                submitter.push(0, job, options);
                Ok(future)
            }
        }
    }

    /// Who can do something about the job, as long as it has no outcome.
    fn control(&self) -> Option<(&Arc<dyn Control>, Ticket)> {
        let control = self.slot.control().filter(|_| !self.done())?;
        if self.slot.ticket().is_none() {
            control.settle();
        }
        Some((control, self.slot.ticket()?))
    }

    pub(crate) fn slot(&self) -> &Slot<J> {
        &self.slot
    }

    /// Waits for the job's output and copies it. `None` waits for ever, zero does not wait.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use std::time::Duration;
    /// use pool::{Executor, ResultError, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let job = threads.submit(Gate(5))?; // runs until the gate is opened
    /// assert!(matches!(job.result(Duration::from_millis(1)), Err(ResultError::TimedOut)));
    /// open();
    /// assert_eq!(job.result(None)?, 5);
    /// assert_eq!(job.result(Duration::ZERO)?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ResultError::TimedOut`] when the time is over, [`ResultError::Failed`] when the job failed or was cancelled.
    pub fn result(&self, timeout: impl Into<Option<Duration>>) -> Result<J::Output, ResultError<J::Error>>
    where
        J::Output: Clone,
        J::Error: Clone,
    {
        if !self.slot.wait(timeout.into()) {
            return Err(ResultError::TimedOut);
        }
        self.slot.look(Clone::clone).ok_or(ResultError::Taken)?.map_err(ResultError::Failed)
    }

    /// Waits for the job's outcome and copies the failure, if it is one.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, JobError, Serial};
    ///
    /// let serial = Serial::new(());
    /// let (good, bad) = (serial.submit(Square(5))?, serial.submit(Square(u64::MAX))?);
    /// assert!(good.error(None)?.is_none());
    /// assert!(matches!(bad.error(None)?, Some(JobError::Failed(error)) if error.ends_with("overflows")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ResultError::TimedOut`] when the time is over, [`ResultError::Failed`] when the job was cancelled,
    /// [`ResultError::Taken`] when the outcome was moved out before.
    pub fn error(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Option<JobError<J::Error>>, ResultError<J::Error>>
    where
        J::Error: Clone,
    {
        if !self.slot.wait(timeout.into()) {
            return Err(ResultError::TimedOut);
        }
        let failure = self.slot.look(|outcome| outcome.as_ref().err().cloned()).ok_or(ResultError::Taken)?;
        match failure {
            Some(JobError::Cancelled) => Err(ResultError::Failed(JobError::Cancelled)),
            other => Ok(other),
        }
    }

    /// Waits for the outcome and moves it out, for types that cannot be copied.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ResultError, Serial};
    ///
    /// let job = Serial::new(()).submit(Square(5))?;
    /// let outcome = job.take(None)?; // `Result<u64, JobError<String>>`
    /// assert_eq!(outcome?, 25);
    /// assert!(matches!(job.take(None), Err(ResultError::Taken)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ResultError::TimedOut`] when the time is over, [`ResultError::Taken`] when it was moved out before.
    pub fn take(&self, timeout: impl Into<Option<Duration>>) -> Result<Outcome<J>, ResultError<J::Error>> {
        if !self.slot.wait(timeout.into()) {
            return Err(ResultError::TimedOut);
        }
        self.slot.take().ok_or(ResultError::Taken)
    }

    /// Whether the job has succeeded, failed or been cancelled.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let job = threads.submit(Gate(5))?; // runs until the gate is opened
    /// assert!(!job.done());
    /// open();
    /// job.result(None)?;
    /// assert!(job.done());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn done(&self) -> bool {
        self.slot.kind().is_some()
    }

    /// Whether the job was cancelled.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, Serial};
    ///
    /// let job = Serial::new(()).submit(Square(u64::MAX))?;
    /// assert!(job.done() && !job.cancelled(), "it failed, which is something else");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.slot.kind() == Some(Kind::Cancelled)
    }

    /// Whether the job has been handed to a worker and has no outcome yet.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let (first, second) = (threads.submit(Gate(1))?, threads.submit(Gate(2))?);
    /// arrival(); // waits until one is at the gate
    /// assert!(first.running() && !second.running());
    /// open();
    /// first.result(None)?;
    /// assert!(!first.running());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn running(&self) -> bool {
        let started = self.control().is_some_and(|(control, ticket)| control.is_running(ticket));
        started && !self.done()
    }

    /// Cancels the job if it has not been handed to a worker. True if it is cancelled now, or was before; false
    /// if it runs or has ended, which is then not touched.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let (first, second) = (threads.submit(Gate(1))?, threads.submit(Gate(2))?);
    /// arrival(); // the first is running from here on
    /// assert!(second.cancel() && !first.cancel());
    /// open();
    /// assert_eq!(first.result(None)?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) -> bool {
        if let Some((control, ticket)) = self.control() {
            control.cancel(ticket);
        }
        self.cancelled()
    }

    /// Ends the job, also if it runs: a worker that has it is killed and replaced, and what else it had is run
    /// again. True if the job is or will be cancelled; false if it has ended otherwise, or runs on an executor that
    /// cannot end it. A job that ends at the same moment may still succeed.
    ///
    /// ```standalone_crate
    /// use std::time::Duration;
    /// use pool::{Executor, JobError, Job, ProcessPool};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Sleep(Duration);
    ///
    /// impl Job for Sleep {
    ///     const NAME: &'static str = "sleep";
    ///     type Output = ();
    ///     type Error = String;
    ///     type Context = ();
    ///
    ///     fn run(self, _: &mut ()) -> Result<(), String> {
    ///         std::thread::sleep(self.0);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Sleep>();
    ///     let pool = ProcessPool::builder().workers(1).build()?;
    ///     let hour = pool.submit(Sleep(Duration::from_secs(3600)))?;
    ///     assert!(hour.kill());
    ///     assert!(matches!(hour.take(None)?, Err(JobError::Cancelled)));
    ///     pool.submit(Sleep(Duration::ZERO))?.result(None)?; // the pool goes on
    ///     pool.shutdown(true, false);
    ///     Ok(())
    /// }
    /// ```
    pub fn kill(&self) -> bool {
        self.control().is_some_and(|(control, ticket)| control.kill(ticket)) || self.cancelled()
    }

    /// Has `callback` called with this job once it has an outcome: by the thread that brings it, or at once if it
    /// is there. A panic of the callback is printed to standard error and has no other consequence. It should be
    /// short, because the thread that calls it brings other jobs' outcomes too; it must not wait for them.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::sync::mpsc;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let (sender, receiver) = mpsc::channel();
    /// let job = ThreadPool::new(1, ()).submit(Square(4))?;
    /// job.add_done_callback(move |job| sender.send(job.result(None).ok()).unwrap_or_default());
    /// assert_eq!(receiver.recv()?, Some(16));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_done_callback(&self, callback: impl FnOnce(&JobFuture<J>) + Send + 'static) {
        self.slot.when_filled(Box::new(|slot| callback(&JobFuture { slot: slot.clone() })));
    }
}

impl<J: Job> Future for JobFuture<J> {
    type Output = Outcome<J>;

    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let squares = smol::block_on(async {
    ///     let (three, four) = (threads.submit(Square(3))?, threads.submit(Square(4))?);
    ///     Ok::<_, Box<dyn std::error::Error>>((three.await?, four.await?))
    /// });
    /// assert_eq!(squares?, (9, 16));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// When the outcome was moved out before.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome<J>> {
        if self.slot.wake(context.waker()) {
            return Poll::Pending;
        }
        Poll::Ready(self.slot.take().expect("the outcome of the job has been taken already"))
    }
}

impl<J: Job> fmt::Debug for JobFuture<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.slot.kind() {
            Some(Kind::Succeeded) => "succeeded",
            Some(Kind::Failed) => "failed",
            Some(Kind::Cancelled) => "cancelled",
            None if self.running() => "running",
            None => "pending",
        };
        f.debug_tuple("JobFuture").field(&format_args!("{state}")).finish()
    }
}
