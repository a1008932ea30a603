//! Copies of outcomes, which leave the outcome in place.

use std::time::Duration;

use job::{Job, JobError, Outcome};

use super::handle::JobFuture;

impl<J: Job> JobFuture<J> {
    /// Waits for the job's output and returns a clone of it.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let job = ThreadPool::new(1, ()).submit(Square(5))?;
    /// assert_eq!((job.result()?, job.result()?), (25, 25));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`join`](JobFuture::join).
    pub fn result(&self) -> Outcome<J>
    where
        J::Output: Clone,
        J::Error: Clone,
    {
        self.clone_of_outcome(None)
    }

    /// Like [`result`](JobFuture::result), but waits for at most `timeout`; zero does not wait.
    ///
    /// # Errors
    /// As for [`join_timeout`](JobFuture::join_timeout).
    pub fn result_timeout(&self, timeout: Duration) -> Outcome<J>
    where
        J::Output: Clone,
        J::Error: Clone,
    {
        self.clone_of_outcome(Some(timeout))
    }

    fn clone_of_outcome(&self, timeout: Option<Duration>) -> Outcome<J>
    where
        J::Output: Clone,
        J::Error: Clone,
    {
        self.wait(timeout)?;
        self.slot().read(Clone::clone).unwrap_or(Err(JobError::Taken))
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
    /// assert!(good.error()?.is_none());
    /// let Some(error) = bad.error()? else { panic!("it succeeded") };
    /// assert!(error.to_string().ends_with("overflows"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`JobError::Cancelled`] if the job was cancelled, [`JobError::Taken`] if the outcome has been moved
    /// out.
    pub fn error(&self) -> Result<Option<JobError<J::Error>>, JobError<J::Error>>
    where
        J::Error: Clone,
    {
        self.clone_of_error(None)
    }

    /// Like [`error`](JobFuture::error), but waits for at most `timeout`; zero does not wait.
    ///
    /// # Errors
    /// As for [`error`](JobFuture::error), and [`JobError::NotReady`] if the timeout expires.
    pub fn error_timeout(&self, timeout: Duration) -> Result<Option<JobError<J::Error>>, JobError<J::Error>>
    where
        J::Error: Clone,
    {
        self.clone_of_error(Some(timeout))
    }

    fn clone_of_error(
        &self,
        timeout: Option<Duration>,
    ) -> Result<Option<JobError<J::Error>>, JobError<J::Error>>
    where
        J::Error: Clone,
    {
        self.wait(timeout)?;
        match self.slot().read(|outcome| outcome.as_ref().err().cloned()) {
            None => Err(JobError::Taken),
            Some(Some(JobError::Cancelled)) => Err(JobError::Cancelled),
            Some(error) => Ok(error),
        }
    }
}
