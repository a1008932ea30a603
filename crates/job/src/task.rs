//! What a user writes to have work done: a job type and, if it needs one, the worker-local state it runs in.

use std::fmt::Display;

use serde::{Serialize, de::DeserializeOwned};

use crate::Crash;

/// A piece of work that can be sent to another process.
///
/// The value itself is the input: it is serialized, sent, decoded in a worker and consumed by [`run`](Job::run).
///
/// ```
/// use job::Job;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Square(i64);
///
/// impl Job for Square {
///     const NAME: &'static str = "square";
///     type Output = i64;
///     type Error = String;
///     type Context = ();
///
///     fn run(self, _: &mut ()) -> Result<i64, String> {
///         self.0.checked_mul(self.0).ok_or_else(|| format!("{} squared overflows", self.0))
///     }
/// }
/// assert_eq!(Square(7).run(&mut ()), Ok(49));
/// ```
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// Names the type in the handshake, so that a worker built for other jobs is refused. No two job types that a
    /// program uses may share a name.
    const NAME: &'static str;
    /// What a successful job yields.
    type Output: Serialize + DeserializeOwned + Send + 'static;
    /// What an unsuccessful job reports.
    type Error: Serialize + DeserializeOwned + Send + 'static;
    /// State that lives as long as the worker and is handed to each of its jobs; `()` where none is needed.
    type Context: Context;

    /// Does the work.
    ///
    /// ```
    /// # use job::Job;
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Square(i64);
    /// impl Job for Square {
    ///     // ...
    /// #     const NAME: &'static str = "square";
    /// #     type Output = i64;
    /// #     type Error = String;
    /// #     type Context = ();
    ///     fn run(self, _: &mut ()) -> Result<i64, String> {
    ///         self.0.checked_mul(self.0).ok_or_else(|| format!("{} squared overflows", self.0))
    ///     }
    /// }
    /// assert_eq!(Square(-3).run(&mut ()), Ok(9));
    /// assert!(Square(i64::MIN).run(&mut ()).is_err());
    /// ```
    ///
    /// # Errors
    /// The job's own error; it fails this job only.
    ///
    /// # Panics
    /// A panic is caught and reported as [`JobError::Panicked`](crate::JobError::Panicked); the worker lives on.
    fn run(self, context: &mut Self::Context) -> Result<Self::Output, Self::Error>;

    /// Returns what is missing where the job ran, in words, if this error says that: the same job can run in another place.
    /// A node of a cluster then hands its jobs back.
    fn missing_here(error: &Self::Error) -> Option<String> {
        let _ = error;
        None
    }

    /// Begins the job ahead of its turn, in a worker whose state [begins jobs ahead](Context::begins_ahead): before
    /// earlier jobs of the worker have run. Jobs begin in the order in which they run, each at most once.
    ///
    /// Returns whether it has begun, or there is nothing to begin with. Otherwise it is asked again, no later job begins
    /// before it, and [`run`](Job::run) is called all the same when its turn has come.
    fn begin(&self, context: &mut Self::Context) -> bool {
        let _ = context;
        false
    }
}

/// Worker-local state: made once in each worker before its first job, and finished after its last.
///
/// ```
/// use job::Context;
///
/// /// Counts its jobs from a number on.
/// struct Counter(u64);
///
/// impl Context for Counter {
///     type Args = u64;
///     type Error = String;
///     type Report = u64;
///
///     fn start(first: u64) -> Result<Counter, String> {
///         Ok(Counter(first))
///     }
///
///     fn finish(self) -> Result<u64, String> {
///         Ok(self.0)
///     }
/// }
/// assert_eq!(Counter::start(7).and_then(Counter::finish), Ok(7));
/// ```
pub trait Context: Sized + Send + 'static {
    /// What the parent passes to every worker; serialized once per worker.
    type Args: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;
    /// Why the state could not be made or finished.
    type Error: Display;
    /// What a worker has to say when it leaves; `()` where that is nothing.
    type Report: Serialize + DeserializeOwned + Default + Send + 'static;

    /// Makes the state in a fresh worker.
    ///
    /// ```
    /// use job::Context;
    ///
    /// // The state of jobs that need none is made of nothing, and that cannot fail.
    /// assert_eq!(<() as Context>::start(()), Ok(()));
    /// ```
    ///
    /// # Errors
    /// Any; the worker then counts as one that could not start, and the message reaches the parent.
    fn start(args: Self::Args) -> Result<Self, Self::Error>;

    /// Ends the state of a worker that leaves in good order: because the pool is shut down or has shrunk, or the worker
    /// has served its time or had nothing to do. It is not called in a worker that is killed.
    ///
    /// # Errors
    /// Any; the message reaches the parent in place of a report.
    fn finish(self) -> Result<Self::Report, Self::Error> {
        Ok(Self::Report::default())
    }

    /// Returns whether jobs are worth being [begun](Job::begin) ahead of their turn. Asked once a batch.
    fn begins_ahead(&self) -> bool {
        false
    }

    /// Gives up all jobs that have begun and did not run: they will not run in this worker, at least not now.
    fn give_up_begun(&mut self) {}

    /// Returns the end of a process that the job that has just run depended on, if there was one. Asked after each job.
    ///
    /// The worker then ends, too. The job's own result is dropped, and the job is charged with that end as with the death
    /// of a worker: it is retried, and [`Crashed`](crate::JobError::Crashed) on its last attempt.
    fn crashed(&mut self) -> Option<Crash> {
        None
    }
}

impl Context for () {
    type Args = ();
    type Error = std::convert::Infallible;
    type Report = ();

    fn start((): ()) -> Result<(), Self::Error> {
        Ok(())
    }
}
