//! The traits that users implement: a job type and, if needed, the worker-local state it runs in.

use std::fmt::Display;

use serde::{Serialize, de::DeserializeOwned};

use crate::Crash;

/// A unit of work that can be sent to another process.
///
/// The value is the job's input: it is serialized, sent, deserialized in a worker, and consumed by
/// [`run`](Job::run).
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::Job;
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
    /// Name of the type, exchanged in the handshake so that a worker built for another job type is rejected.
    /// Must be unique among the job types that a program uses.
    const NAME: &'static str;
    /// Result of a successful job.
    type Output: Serialize + DeserializeOwned + Send + 'static;
    /// Error of a failed job.
    type Error: Serialize + DeserializeOwned + Send + 'static;
    /// State that is created once per worker and passed to each of its jobs; `()` if none is needed.
    type Context: Context;

    /// Runs the job.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// # use pool::Job;
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
    /// Returns the job's own error. Only this job fails; the worker continues.
    ///
    /// # Panics
    /// A panic is caught and reported as [`JobError::Panicked`](crate::JobError::Panicked); the worker
    /// continues.
    fn run(self, context: &mut Self::Context) -> Result<Self::Output, Self::Error>;

    /// Returns a description of what is missing on this machine if that is the cause of the error, so that
    /// the same job may succeed on another one. A node of a cluster then returns its jobs to the queue. The
    /// default is `None`.
    fn unavailable_reason(error: &Self::Error) -> Option<String> {
        let _ = error;
        None
    }

    /// Starts the job ahead of its turn, before earlier jobs of the worker have run. Called only if the
    /// worker's state [starts jobs ahead](Context::starts_ahead), in the order in which the jobs run.
    ///
    /// Returns whether the job has started, or there is nothing to start; then it is not called again for
    /// this job. After `false` it is called again later, and no later job is started before this one. In
    /// either case [`run`](Job::run) is called when it is the job's turn. By default jobs do not start ahead.
    fn start_ahead(&self, context: &mut Self::Context) -> bool {
        let _ = context;
        false
    }
}

/// Worker-local state, created in each worker before its first job and finished after its last.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::worker::Context;
///
/// /// A counter with an initial value.
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
    /// Arguments that the parent passes to every worker; serialized once per worker.
    type Args: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;
    /// Error of [`start`](Context::start) and [`finish`](Context::finish).
    type Error: Display;
    /// Report that a worker sends when it exits; `()` if there is none.
    type Report: Serialize + DeserializeOwned + Default + Send + 'static;

    /// Creates the state in a new worker.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::worker::Context;
    ///
    /// // The state of jobs that need none; creating it cannot fail.
    /// assert_eq!(<() as Context>::start(()), Ok(()));
    /// ```
    ///
    /// # Errors
    /// Any error counts as a failed start of the worker, and its message is sent to the parent.
    fn start(args: Self::Args) -> Result<Self, Self::Error>;

    /// Finishes the state of a worker that exits normally: because the pool is shut down or reduced, or the
    /// worker reached its maximum number of jobs or was idle for too long. Not called in a worker that is
    /// killed.
    ///
    /// # Errors
    /// The message of any error is sent to the parent instead of a report.
    fn finish(self) -> Result<Self::Report, Self::Error> {
        Ok(Self::Report::default())
    }

    /// Returns whether jobs should be [started](Job::start_ahead) ahead of their turn. Called once per batch.
    fn starts_ahead(&self) -> bool {
        false
    }

    /// Discards all jobs that were started ahead and have not run. They will not run in this worker, or only
    /// later.
    fn discard_started(&mut self) {}

    /// Returns the crash of a process on which the last job depended, if there was one. Called after each
    /// job.
    ///
    /// After a crash the worker exits as well. The job's own result is dropped, and the crash counts like the
    /// death of a worker: the job is retried, and reported as [`Crashed`](crate::JobError::Crashed) after its
    /// last attempt.
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
