//! Numbers by which the caller and observers recognize a job.

use job::{Job, JobId};

use super::{control::Ticket, handle::JobFuture};

impl<J: Job> JobFuture<J> {
    /// Returns the [tag](crate::settings::JobOptions::tag) that the job was submitted with; 0 without one.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool, future::as_completed, settings::JobOptions};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let jobs: Vec<_> = (1..=3)
    ///     .map(|n| threads.submit_with(Square(n), JobOptions::new().tag(n)))
    ///     .collect::<Result<_, _>>()?;
    /// for job in as_completed(jobs, None) {
    ///     let job = job?;
    ///     assert_eq!(job.result()?, job.tag() * job.tag());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn tag(&self) -> u64 {
        self.tag
    }

    /// Returns the number that identifies the job in its pool, as
    /// [`PoolEvent::BatchSent`](crate::metrics::PoolEvent::BatchSent) reports it to observers. Ids count up
    /// from 0 in the order in which jobs reach the scheduler. Has a job that is still buffered submitted.
    /// `None` if the executor assigns no ids, or the job never reached it because it could not be encoded.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, Serial, ThreadPool, metrics::JobId};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// assert_eq!(threads.submit(Square(5))?.id(), Some(JobId(0)));
    /// assert_eq!(threads.submit(Square(6))?.id(), Some(JobId(1)));
    /// assert_eq!(Serial::new(()).submit(Square(5))?.id(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> Option<JobId> {
        if self.slot().ticket().is_none()
            && let Some(control) = self.slot().control()
        {
            control.settle();
        }
        self.slot().ticket().map(|Ticket(id)| JobId(id))
    }
}
