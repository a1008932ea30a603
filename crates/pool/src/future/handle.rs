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
    kind::OutcomeKind,
    slot::{Slot, Slots},
};
use crate::{JobOptions, Sink, SubmitError, Submitter};

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
/// assert_eq!(job.clone().result()?, 144);
/// assert_eq!(smol::block_on(job)?, 144);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JobFuture<J: Job> {
    slot: Slot<J>,
    pub(super) tag: u64,
}

impl<J: Job> Clone for JobFuture<J> {
    fn clone(&self) -> JobFuture<J> {
        JobFuture { slot: self.slot.clone(), tag: self.tag }
    }
}

impl<J: Job> JobFuture<J> {
    pub(crate) fn new(slot: Slot<J>, options: JobOptions) -> JobFuture<J> {
        JobFuture { slot, tag: options.get_tag() }
    }

    /// Pushes a job through a submitter of its own and returns its future. Executors of this project that
    /// implement only [`submitter`](crate::Executor::submitter) can implement
    /// [`submit_with`](crate::Executor::submit_with) by this. The future's `cancel` and `kill` have no effect
    /// on the job. Not part of the stable interface.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, JobFuture, ThreadPool, settings::JobOptions};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let job = JobFuture::push_through(|sink| threads.submitter(sink), Square(5), JobOptions::default())?;
    /// assert_eq!(job.result()?, 25);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the submitter accepts no more jobs.
    #[doc(hidden)]
    pub fn push_through(
        submitter: impl FnOnce(Arc<dyn Sink<J>>) -> Box<dyn Submitter<J>>,
        job: J,
        options: JobOptions,
    ) -> Result<JobFuture<J>, SubmitError> {
        let slots = Slots::new(1, None);
        let future = JobFuture::new(Slot::new(&slots, 0), options);
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
        let (slots, index) = self.slot.place();
        slots.control_of(index)
    }

    pub(crate) fn slot(&self) -> &Slot<J> {
        &self.slot
    }

    /// Waits for the job's output and moves it out. For any type of output and error; see
    /// [`result`](JobFuture::result) for several requests of the same output.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, JobError, Serial};
    ///
    /// let job = Serial::new(()).submit(Square(5))?;
    /// let other = job.clone();
    /// assert_eq!(job.join()?, 25);
    /// assert!(matches!(other.join(), Err(JobError::Taken)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The reason why the job failed or was cancelled; [`JobError::Taken`] if the outcome has been moved out.
    pub fn join(self) -> Outcome<J> {
        self.outcome(None)
    }

    /// Like [`join`](JobFuture::join), but waits for at most `timeout`; zero does not wait.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use std::time::Duration;
    /// use pool::{Executor, JobError, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let job = threads.submit(Gate(5))?; // runs until the gate is opened
    /// assert!(matches!(job.join_timeout(Duration::from_millis(1)), Err(JobError::NotReady)));
    /// open();
    /// assert_eq!(job.join_timeout(Duration::from_secs(60))?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`join`](JobFuture::join), and [`JobError::NotReady`] if the timeout expires; then the job
    /// continues, and this may be called again.
    pub fn join_timeout(&self, timeout: Duration) -> Outcome<J> {
        self.outcome(Some(timeout))
    }

    fn outcome(&self, timeout: Option<Duration>) -> Outcome<J> {
        self.wait(timeout)?;
        self.slot.take().unwrap_or(Err(JobError::Taken))
    }

    /// Waits for the outcome; forever without a timeout.
    pub(super) fn wait(&self, timeout: Option<Duration>) -> Result<(), JobError<J::Error>> {
        if self.slot.wait(timeout) { Ok(()) } else { Err(JobError::NotReady) }
    }

    /// Returns whether the job has succeeded, failed or been cancelled.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let job = threads.submit(Gate(5))?; // runs until the gate is opened
    /// assert!(!job.is_done());
    /// open();
    /// job.result()?;
    /// assert!(job.is_done());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.slot.kind().is_some()
    }

    /// Returns whether the job was cancelled.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, Serial};
    ///
    /// let job = Serial::new(()).submit(Square(u64::MAX))?;
    /// assert!(job.is_done() && !job.is_cancelled(), "it failed and was not cancelled");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.slot.kind() == Some(OutcomeKind::Cancelled)
    }

    /// Returns whether the job has been assigned to a worker and has no outcome yet. A worker of a
    /// [`ProcessPool`](crate::ProcessPool) may have several jobs: the one that it runs, those that wait for
    /// it, and those that have finished in the last 10 ms.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let (first, second) = (threads.submit(Gate(1))?, threads.submit(Gate(2))?);
    /// arrival(); // waits until the first one runs
    /// assert!(first.is_running() && !second.is_running());
    /// open();
    /// first.result()?;
    /// assert!(!first.is_running());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_running(&self) -> bool {
        let started = self.control().is_some_and(|(control, ticket)| control.is_running(ticket));
        started && !self.is_done()
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
    /// assert_eq!(first.result()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) -> bool {
        if let Some((control, ticket)) = self.control() {
            control.cancel(ticket);
        }
        self.is_cancelled()
    }

    /// Cancels the job even if it is running: its worker is killed and replaced, and the worker's other jobs
    /// are run again. Returns `true` if the job is or will be cancelled; `false` if it has ended otherwise,
    /// or is running on an executor that cannot kill jobs. A job that ends at the same moment may still
    /// succeed.
    ///
    /// ```standalone_crate
    /// use std::time::Duration;
    /// use pool::{Executor, Job, JobError, ProcessPool, error::RemoteError};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Sleep(Duration);
    ///
    /// impl Job for Sleep {
    ///     const NAME: &'static str = "sleep";
    ///     type Output = ();
    ///     type Error = RemoteError;
    ///     type Context = ();
    ///
    ///     fn run(self, _: &mut ()) -> Result<(), RemoteError> {
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
    ///     assert!(matches!(hour.join(), Err(JobError::Cancelled)));
    ///     pool.submit(Sleep(Duration::ZERO))?.result()?; // the pool is still usable
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn kill(&self) -> bool {
        self.control().is_some_and(|(control, ticket)| control.kill(ticket)) || self.is_cancelled()
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
    /// job.on_done(move |job| sender.send(job.result().ok()).unwrap_or_default());
    /// assert_eq!(receiver.recv()?, Some(16));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_done(&self, callback: impl FnOnce(&JobFuture<J>) + Send + 'static) {
        let tag = self.tag;
        self.slot.on_filled(Box::new(move |slot| callback(&JobFuture { slot: slot.clone(), tag })));
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
    /// # Errors
    /// As for [`join`](JobFuture::join): [`JobError::Taken`] if the outcome has been moved out, for example
    /// when it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome<J>> {
        if self.slot.add_waker(context.waker()) {
            return Poll::Pending;
        }
        Poll::Ready(self.slot.take().unwrap_or(Err(JobError::Taken)))
    }
}

impl<J: Job> fmt::Debug for JobFuture<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.slot.kind() {
            Some(OutcomeKind::Succeeded) => "succeeded",
            Some(OutcomeKind::Failed) => "failed",
            Some(OutcomeKind::Cancelled) => "cancelled",
            None if self.is_running() => "running",
            None => "pending",
        };
        f.debug_tuple("JobFuture").field(&format_args!("{state}")).finish()
    }
}
