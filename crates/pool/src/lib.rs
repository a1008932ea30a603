//! Runs jobs on worker processes, on threads, or one after another on the calling thread.
//!
//! A [`Job`] is a serializable value with a `run` method. An [`Executor`] accepts jobs and resolves each of
//! them exactly once: [`submit`](Executor::submit) returns a [`JobFuture`], [`map`](Executor::map) returns
//! the outputs for iteration, and a [`Submitter`] accepts jobs whose outcomes it delivers to a [`Sink`]. This
//! crate has three executors with the same interface, and exchanging one for another changes one
//! line of a program:
//!
//! - [`ProcessPool`] isolates jobs from each other and from the program: a job that crashes, runs out of
//!   memory or exceeds its time limit costs a worker process, which is replaced.
//! - [`ThreadPool`] has less overhead per job and no isolation.
//! - [`Serial`] runs each job on the calling thread, as a baseline to compare with.
//!
//! The executable of a program that uses a [`ProcessPool`] usually serves as the worker program, too: the
//! pool starts it again without arguments. Call [`enter_if_worker`] first thing in `main`; in a worker
//! process it never returns.
//!
//! ```standalone_crate
//! use pool::{Executor, Job, ProcessPool};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Square(u64);
//!
//! impl Job for Square {
//!     const NAME: &'static str = "square";
//!     type Output = u64;
//!     type Error = String;
//!     type Context = ();
//!
//!     fn run(self, _: &mut ()) -> Result<u64, String> {
//!         self.0.checked_mul(self.0).ok_or_else(|| format!("{} squared overflows", self.0))
//!     }
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     pool::enter_if_worker::<Square>();
//!     let pool = ProcessPool::<Square>::builder().workers(4).build()?;
//!     let squares: Result<Vec<u64>, _> = pool.map((0..1000).map(Square)).into_iter().collect();
//!     assert_eq!(squares?[..4], [0, 1, 4, 9]);
//!     pool.shutdown(true, false);
//!     Ok(())
//! }
//! ```

/// The examples of the README and of the book, which are compiled and run as documentation tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../README.md")]
    struct Readme;

    #[doc = include_str!("../../../docs/src/library.md")]
    struct Library;
}

mod cores;
mod executor;
mod future;
mod map;
mod observer;
mod options;
mod processes;
mod run;
#[cfg(test)]
mod sample;
mod serial;
mod stream;
mod thread_group;
mod threads;

pub use cores::available_cores;
pub use executor::Executor;
pub use future::{
    AsCompleted, JobFuture, ResultError, ReturnWhen, SubmitError, Unfinished, WaitResult, as_completed, wait,
};
#[doc(inline)]
pub use job::{
    BatchId, Context, Crash, Death, DeathCause, Job, JobError, JobId, MonotonicInstant, Outcome, Panic,
    ParentStats, ProgramStats, Stage, StageTimes, ThreadStats, WorkerId, WorkerStats,
};
pub use map::{Map, MapUnordered, Outputs, OutputsUnordered};
pub use observer::{Observer, PoolEvent};
pub use options::{JobOptions, WorkerReport};
pub use processes::{
    BuildError, MAX_NESTING, MAX_WORKERS, ProcessPool, ProcessPoolBuilder, WorkerCountError,
};
#[doc(inline)]
pub use sched::{BatchSize, OnWorkerDeath};
pub use serial::Serial;
use serve::is_unserved_worker;
#[doc(inline)]
pub use serve::{WatchedAllocator, enter_if_worker, is_worker, serve_as_worker};
pub use stream::{Resolved, Sink, Submitter};
pub use threads::ThreadPool;
#[doc(inline)]
pub use wire::{CodecError, CodecKind, RendezvousError, Transport, UnknownCodec};
