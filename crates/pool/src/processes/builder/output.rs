//! Settings of the workers' standard output and standard error.

use job::Job;

use super::ProcessPoolBuilder;
use crate::output::{OutputHandler, OutputLine, WorkerStdio};

/// Settings of the workers' standard output and standard error.
impl<J: Job> ProcessPoolBuilder<J> {
    /// Sets where standard output of the workers goes, and of the processes that their jobs start. Default:
    /// [`WorkerStdio::Stderr`], so that a job that prints does not corrupt the output of this program.
    ///
    /// ```standalone_crate
    /// use pool::{Executor, Job, ProcessPool, error::RemoteError, output::WorkerStdio};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Print;
    ///
    /// impl Job for Print {
    ///     const NAME: &'static str = "print";
    ///     type Output = ();
    ///     type Error = RemoteError;
    ///     type Context = ();
    ///
    ///     fn run(self, _: &mut ()) -> Result<(), RemoteError> {
    ///         println!("printed by a job");
    ///         Ok(())
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Print>();
    ///     let pool = ProcessPool::builder().workers(1).stdout(WorkerStdio::Null).build()?;
    ///     pool.submit(Print)?.result()?; // prints nothing
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn stdout(mut self, stdout: WorkerStdio) -> Self {
        self.stdio.stdout = stdout;
        self
    }

    /// Sets where standard error of the workers goes, and of the processes that their jobs start. Default:
    /// [`WorkerStdio::Inherit`]. Panics of jobs are not printed: they are outcomes, see
    /// [`JobError::Panicked`](crate::JobError::Panicked).
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{ProcessPool, output::WorkerStdio};
    ///
    /// let quiet = ProcessPool::<Square>::builder().stderr(WorkerStdio::Null).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stderr(mut self, stderr: WorkerStdio) -> Self {
        self.stdio.stderr = stderr;
        self
    }

    /// Sets the function that receives the lines of [captured](WorkerStdio::Capture) streams. Default: a
    /// function that prints each line to standard error, after the id of the worker.
    ///
    /// The lines of one stream of a worker are passed in order. Lines are passed while jobs run, without any
    /// order between them and outcomes; a shutdown that waits returns after the last one. What a worker wrote
    /// before it exited or was killed is passed completely, a last line without a newline included. What a
    /// process that it has started writes afterwards is not: for that process, the stream is closed.
    ///
    /// `handler` is called on threads of the pool, which receive outcomes, too, so it must be quick and must
    /// not wait for a job. A worker that prints faster than `handler` returns waits, and its time limit goes
    /// on; other workers are not delayed by more than one reading of 32 KiB at a time. Each captured stream
    /// costs this process a file descriptor per worker.
    ///
    /// ```standalone_crate
    /// use std::sync::{Arc, Mutex};
    /// use pool::{Executor, Job, ProcessPool, error::RemoteError, output::WorkerStdio};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Greet(String);
    ///
    /// impl Job for Greet {
    ///     const NAME: &'static str = "greet";
    ///     type Output = ();
    ///     type Error = RemoteError;
    ///     type Context = ();
    ///
    ///     fn run(self, _: &mut ()) -> Result<(), RemoteError> {
    ///         println!("hello {}", self.0);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Greet>();
    ///     let lines = Arc::new(Mutex::new(Vec::new()));
    ///     let captured = lines.clone();
    ///     let pool = ProcessPool::builder()
    ///         .workers(1)
    ///         .stdout(WorkerStdio::Capture)
    ///         .on_output(move |line| {
    ///             captured.lock().unwrap().push(format!("{}: {}", line.worker(), line.text()));
    ///         })
    ///         .build()?;
    ///     pool.submit(Greet("Ada".to_owned()))?.result()?;
    ///     pool.join();
    ///     assert_eq!(*lines.lock().unwrap(), ["worker 0.0: hello Ada"]);
    ///     Ok(())
    /// }
    /// ```
    pub fn on_output(mut self, handler: impl Fn(OutputLine<'_>) + Send + Sync + 'static) -> Self {
        self.stdio.handler = OutputHandler::new(handler);
        self
    }
}
