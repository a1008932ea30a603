//! Handle to a submitted job.

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
    error::{ResultError, SubmitError},
    kind::OutcomeKind,
    slot::{Slot, Slots},
};
use crate::{JobOptions, Sink, Submitter};

/// Handle to a submitted job and its outcome.
///
/// Handles can be cloned and shared between threads; all clones refer to the same outcome. Dropping them
/// neither cancels the job nor waits for it.
///
/// As a [`Future`] it resolves to the job's outcome, which is moved out. It can be awaited on any runtime.
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

    /// Pushes a job through a submitter of its own and returns its future. Executors that implement only
    /// [`submitter`](crate::Executor::submitter) can implement [`submit_with`](crate::Executor::submit_with)
    /// by this. The future's `cancel` and `kill` have no effect on the job.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, JobFuture, JobOptions, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let job = JobFuture::push_through(|sink| threads.submitter(sink), Square(5), JobOptions::default())?;
    /// assert_eq!(job.result(None)?, 25);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the submitter accepts no more jobs.
    pub fn push_through(
        submitter: impl FnOnce(Arc<dyn Sink<J>>) -> Box<dyn Submitter<J>>,
        job: J,
        options: JobOptions,
    ) -> Result<JobFuture<J>, SubmitError> {
        let slots = Slots::new(1, None);
        let future = JobFuture::new(Slot::new(&slots, 0));
        let mut submitter = submitter(Arc::new(slots));
        match submitter.submit_error() {
            Some(refused) => Err(refused),
            None => {
                submitter.push(0, job, options);
                Ok(future)
            }
        }
    }

    /// Returns the executor's control interface and the job's ticket, unless the job has an outcome.
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

    /// Waits for the job's output and returns a clone of it. `None` waits forever, zero does not wait.
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
    /// [`ResultError::TimedOut`] if the timeout expires, [`ResultError::Failed`] if the job failed or was
    /// cancelled, [`ResultError::AlreadyTaken`] if the outcome has already been moved out.
    pub fn result(&self, timeout: impl Into<Option<Duration>>) -> Result<J::Output, ResultError<J::Error>>
    where
        J::Output: Clone,
        J::Error: Clone,
    {
        if !self.slot.wait(timeout.into()) {
            return Err(ResultError::TimedOut);
        }
        self.slot.read(Clone::clone).ok_or(ResultError::AlreadyTaken)?.map_err(ResultError::Failed)
    }

    /// Waits for the job's outcome. Returns a clone of the error if the job failed, and `None` if it
    /// succeeded.
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
    /// [`ResultError::TimedOut`] if the timeout expires, [`ResultError::Failed`] if the job was cancelled,
    /// [`ResultError::AlreadyTaken`] if the outcome has already been moved out.
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
        let failure =
            self.slot.read(|outcome| outcome.as_ref().err().cloned()).ok_or(ResultError::AlreadyTaken)?;
        match failure {
            Some(JobError::Cancelled) => Err(ResultError::Failed(JobError::Cancelled)),
            other => Ok(other),
        }
    }

    /// Waits for the outcome and moves it out. For types that are not `Clone`.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ResultError, Serial};
    ///
    /// let job = Serial::new(()).submit(Square(5))?;
    /// let outcome = job.take(None)?; // `Result<u64, JobError<String>>`
    /// assert_eq!(outcome?, 25);
    /// assert!(matches!(job.take(None), Err(ResultError::AlreadyTaken)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ResultError::TimedOut`] if the timeout expires, [`ResultError::AlreadyTaken`] if the outcome has
    /// already been moved out.
    pub fn take(&self, timeout: impl Into<Option<Duration>>) -> Result<Outcome<J>, ResultError<J::Error>> {
        if !self.slot.wait(timeout.into()) {
            return Err(ResultError::TimedOut);
        }
        self.slot.take().ok_or(ResultError::AlreadyTaken)
    }

    /// Returns whether the job has succeeded, failed or been cancelled.
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

    /// Returns whether the job was cancelled.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, Serial};
    ///
    /// let job = Serial::new(()).submit(Square(u64::MAX))?;
    /// assert!(job.done() && !job.cancelled(), "it failed and was not cancelled");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.slot.kind() == Some(OutcomeKind::Cancelled)
    }

    /// Returns whether the job has been assigned to a worker and has no outcome yet.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let (first, second) = (threads.submit(Gate(1))?, threads.submit(Gate(2))?);
    /// arrival(); // waits until the first one runs
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

    /// Cancels the job if it has not been assigned to a worker. Returns `true` if the job is cancelled, now
    /// or by an earlier call; `false` if it is running or has ended, in which case it is not affected.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let (first, second) = (threads.submit(Gate(1))?, threads.submit(Gate(2))?);
    /// arrival(); // waits until the first one runs
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

    /// Cancels the job even if it is running: its worker is killed and replaced, and the worker's other jobs
    /// are run again. Returns `true` if the job is or will be cancelled; `false` if it has ended otherwise,
    /// or is running on an executor that cannot kill jobs. A job that ends at the same moment may still
    /// succeed.
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
    ///     pool.submit(Sleep(Duration::ZERO))?.result(None)?; // the pool is still usable
    ///     pool.shutdown(true, false);
    ///     Ok(())
    /// }
    /// ```
    pub fn kill(&self) -> bool {
        self.control().is_some_and(|(control, ticket)| control.kill(ticket)) || self.cancelled()
    }

    /// Registers a function that is called with this job once it has an outcome: on the thread that resolves
    /// the job, or immediately on the calling thread if the job has an outcome already. A panic of the
    /// callback is printed to standard error and otherwise ignored. The callback should be short, because its
    /// thread resolves other jobs, too, and it must not wait for them.
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
        self.slot.on_filled(Box::new(|slot| callback(&JobFuture { slot: slot.clone() })));
    }
}

impl<J: Job> Future for JobFuture<J> {
    type Output = Outcome<J>;

    /// Polls for the outcome and moves it out.
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
    /// If the outcome has already been moved out.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome<J>> {
        if self.slot.add_waker(context.waker()) {
            return Poll::Pending;
        }
        Poll::Ready(self.slot.take().expect("the outcome of the job has already been taken"))
    }
}

impl<J: Job> fmt::Debug for JobFuture<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.slot.kind() {
            Some(OutcomeKind::Succeeded) => "succeeded",
            Some(OutcomeKind::Failed) => "failed",
            Some(OutcomeKind::Cancelled) => "cancelled",
            None if self.running() => "running",
            None => "pending",
        };
        f.debug_tuple("JobFuture").field(&format_args!("{state}")).finish()
    }
}
