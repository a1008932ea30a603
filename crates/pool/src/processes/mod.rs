//! Jobs on worker processes.
//!
//! One thread, the *supervisor*, starts all workers, receives from them, and reaps them. Whatever the supervisor,
//! an submitter or the clock learns it tells the scheduler, under one lock, and then carries out what the scheduler
//! decides, without the lock: batches are built and sent, workers started and killed, outcomes decoded and handed to
//! their sinks. Sending never blocks (see [`wire::Outbox`]), so any thread may do it.
//!
//! | file | concern |
//! |---|---|
//! | `builder` | what a pool is made of: in `surroundings` of its workers, in `rules` for the scheduler |
//! | `bounds` | what it cannot be |
//! | `block` | jobs that were submitted together: their bytes, tags and where their outcomes go |
//! | `gather` | where jobs gather into blocks |
//! | `appetite` | who collects them, and when |
//! | `submitter` | jobs that come in a stream |
//! | `submit` | jobs with a future each |
//! | `shared` | the lock, and what is under it |
//! | `turn` | a turn at the lock |
//! | `effects` | what follows from a decision |
//! | `supervisor` | the thread that starts workers, receives from them, and reaps them |
//! | `mailbox` | what comes from a worker, for whichever thread takes it |
//! | `incoming` | what to do with a worker's messages |
//! | `help` | threads that wait for an outcome and take messages themselves |
//! | `launch` | the start of a worker |
//! | `ledger` | where the parent's time goes |
//! | `recipe` | what that takes |
//! | `clock` | ticks when the scheduler asked for them |

mod block;
mod build_error;
mod builder;
mod clock;
mod effects;
mod flush_policy;
mod handle;
mod help;
mod incoming;
mod launch;
mod mailbox;
mod shared;
mod spawn_config;
mod submit;
mod submit_buffer;
mod submitter;
mod supervisor;
mod time_accounting;
mod transaction;

use std::{sync::Arc, time::Duration};

use job::{Context, Job, ParentStats, WorkerStats};
use sched::Event;
use wire::Transport;

use crate::{
    Executor, JobFuture, JobOptions, Sink, SubmitError, Submitter, WorkerReport,
    future::{Control, deadline_after},
};
use shared::ProcessShared;
use submitter::ProcessSubmitter;

pub use build_error::{BuildError, MAX_NESTING, MAX_WORKERS, WorkerCountError};
pub use builder::ProcessPoolBuilder;

/// Runs jobs on worker processes, which are started on demand.
///
/// A worker that dies takes down only the job that it was in, and that job is tried again. Dropping the pool
/// closes it: jobs that were pushed are still run, by threads of its own.
///
/// ```standalone_crate
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ProcessPool};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     pool::enter_if_worker::<Square>(); // never returns in a worker
///     let pool = ProcessPool::builder().workers(2).build()?;
///     assert_eq!(pool.submit(Square(7))?.result(None)?, 49);
///     let workers = pool.worker_stats();
///     assert_ne!(workers[0].pid, Some(std::process::id()));
///     pool.shutdown(true, false);
///     Ok(())
/// }
/// ```
pub struct ProcessPool<J: Job> {
    shared: Arc<ProcessShared<J>>,
    /// The same, as futures know it.
    control: Arc<dyn Control>,
    grace_period: Duration,
}

impl<J: Job> ProcessPool<J>
where
    <J::Context as Context>::Args: Default,
{
    /// The settings of a pool whose workers' state takes default arguments.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool};
    ///
    /// let pool = ProcessPool::<Square>::builder().workers(3).build()?;
    /// assert_eq!(pool.workers(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> ProcessPoolBuilder<J> {
        ProcessPool::builder_with(Default::default())
    }
}

impl<J: Job> ProcessPool<J> {
    /// The settings of a pool whose workers' state is made of `args`, each worker's once, before its first job.
    ///
    /// ```standalone_crate
    /// use pool::{Context, Executor, Job, ProcessPool};
    /// use serde::{Deserialize, Serialize};
    ///
    /// struct Prefix(String);
    ///
    /// impl Context for Prefix {
    ///     type Args = String;
    ///     type Error = String;
    ///     type Report = ();
    ///
    ///     fn start(prefix: String) -> Result<Prefix, String> {
    ///         Ok(Prefix(prefix))
    ///     }
    /// }
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Name(u32);
    ///
    /// impl Job for Name {
    ///     const NAME: &'static str = "name";
    ///     type Output = String;
    ///     type Error = String;
    ///     type Context = Prefix;
    ///
    ///     fn run(self, prefix: &mut Prefix) -> Result<String, String> {
    ///         Ok(format!("{}{}", prefix.0, self.0))
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Name>();
    ///     let pool = ProcessPool::builder_with("file-".to_owned()).workers(1).build()?;
    ///     assert_eq!(pool.submit(Name(7))?.result(None)?, "file-7");
    ///     pool.shutdown(true, false);
    ///     Ok(())
    /// }
    /// ```
    pub fn builder_with(args: <J::Context as Context>::Args) -> ProcessPoolBuilder<J> {
        ProcessPoolBuilder::new(args)
    }

    /// Starts all workers that there may be, without waiting for jobs. Returns at once.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let pool = ProcessPool::builder().workers(2).build()?;
    ///     assert_eq!(pool.worker_stats().len(), 0);
    ///     pool.prestart();
    ///     assert_eq!(pool.worker_stats().len(), 2);
    ///     assert_eq!(pool.submit(Square(7))?.result(None)?, 49);
    ///     pool.shutdown(true, false);
    ///     Ok(())
    /// }
    /// ```
    pub fn prestart(&self) {
        ProcessShared::apply(&self.shared, Event::Prestart);
    }

    /// Changes how many workers there may be at a time, from 1 to [`MAX_WORKERS`]. Returns at once. Where there are
    /// more, those leave that have nothing to do, then those that first run out of work; no job is disturbed.
    ///
    /// # Errors
    /// When no pool can have so many.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let pool = ProcessPool::<Square>::builder().workers(1).build()?;
    ///     pool.resize(2)?;
    ///     assert_eq!(pool.workers(), 2);
    ///     assert!(pool.resize(0).is_err());
    ///     Ok(())
    /// }
    /// ```
    pub fn resize(&self, workers: usize) -> Result<(), WorkerCountError> {
        let workers = build_error::checked_worker_count(workers)?;
        ProcessShared::apply(&self.shared, Event::Resized(workers));
        Ok(())
    }

    /// Returns how jobs and outcomes travel: through the channel although rings were
    /// [asked for](ProcessPoolBuilder::transport) if there can be no shared memory of the size that they need.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{ProcessPool, Transport};
    ///
    /// let pool = ProcessPool::<Square>::builder().transport(Transport::Channel).build()?;
    /// assert_eq!(pool.transport(), Transport::Channel);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.shared.spawn_config.transport
    }

    /// Returns why jobs travel through the channel although rings were asked for; `None` if that is not the case.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{ProcessPool, Transport};
    ///
    /// let pool = ProcessPool::<Square>::builder().transport(Transport::Channel).build()?;
    /// assert_eq!(pool.transport_fallback(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn transport_fallback(&self) -> Option<String> {
        self.shared.spawn_config.transport_fallback.as_ref().map(ToString::to_string)
    }

    /// Ends the pool and asks all workers to end, by SIGTERM, and their jobs' processes with them; those that are
    /// still there after [`grace_period`](ProcessPoolBuilder::grace_period) are killed. Jobs that are not finished are
    /// cancelled. Returns at once; [`join`](Executor::join) waits for the end.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let pool = ProcessPool::<Square>::builder().workers(1).build()?;
    ///     pool.prestart();
    ///     pool.terminate_workers();
    ///     assert!(pool.submit(Square(1)).is_err());
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn terminate_workers(&self) {
        ProcessShared::apply(&self.shared, Event::Stopped { grace: self.grace_period, terminate: true });
    }

    /// Ends the pool and kills all workers and their jobs' processes. Jobs that are not finished are cancelled.
    /// Returns at once; [`join`](Executor::join) waits for the end.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let pool = ProcessPool::<Square>::builder().workers(1).build()?;
    ///     let job = pool.submit(Square(1))?;
    ///     pool.kill_workers();
    ///     pool.join();
    ///     assert!(job.done(), "with an output or cancelled");
    ///     Ok(())
    /// }
    /// ```
    pub fn kill_workers(&self) {
        ProcessShared::apply(&self.shared, Event::Stopped { grace: Duration::ZERO, terminate: false });
    }
}

impl<J: Job> Executor<J> for ProcessPool<J> {
    fn submitter(&self, sink: Arc<dyn Sink<J>>) -> Box<dyn Submitter<J>> {
        Box::new(ProcessSubmitter::new(self.shared.clone(), sink))
    }

    fn submit_with(&self, job: J, options: JobOptions) -> Result<JobFuture<J>, SubmitError> {
        submit::submit(&self.shared, &self.control, &job, options)
    }

    fn submit_many(&self, jobs: Vec<J>, options: JobOptions) -> Result<Vec<JobFuture<J>>, SubmitError> {
        submit::submit_together(&self.shared, &self.control, &jobs, options)
    }

    fn workers(&self) -> usize {
        self.shared.workers()
    }

    fn cancel_waiting(&self) {
        ProcessShared::cancel_waiting(&self.shared, None);
    }

    fn close(&self) {
        ProcessShared::close(&self.shared);
    }

    fn stop(&self, grace: Duration) {
        ProcessShared::apply(&self.shared, Event::Stopped { grace, terminate: false });
    }

    fn pause(&self) {
        ProcessShared::apply(&self.shared, Event::Paused);
        self.shared.handles().iter().for_each(|handle| handle.pause());
    }

    fn resume(&self) {
        self.shared.handles().iter().for_each(|handle| handle.resume());
        ProcessShared::apply(&self.shared, Event::Resumed);
    }

    fn join_timeout(&self, time: Duration) -> bool {
        self.shared.crew.join(deadline_after(time))
    }

    fn reports(&self) -> Vec<WorkerReport<J>> {
        std::mem::take(&mut self.shared.state.lock().reports)
    }

    fn worker_stats(&self) -> Vec<WorkerStats> {
        self.shared.worker_stats()
    }

    fn parent_stats(&self) -> ParentStats {
        self.shared.parent_stats()
    }

    fn broken(&self) -> Option<Arc<str>> {
        self.shared.broken()
    }
}

impl<J: Job> Drop for ProcessPool<J> {
    fn drop(&mut self) {
        // Nobody else could let its workers go on.
        self.resume();
        self.close();
    }
}
