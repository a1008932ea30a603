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
//! Plain functions and closures need no job type: see [functions].
//!
//! [`ProcessPool`], and what belongs to worker processes, exists only on Linux. [`ThreadPool`] and [`Serial`]
//! work on every platform.
//!
//! The executable of a program that uses a [`ProcessPool`] usually serves as the worker program, too: the
//! pool starts it again without arguments. Call [`enter_if_worker`] first thing in `main`; in a worker
//! process it never returns. Tests and libraries use [`worker!`] instead.
//!
//! ```standalone_crate
//! use pool::{Executor, Job, ProcessPool, error::RemoteError};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Square(u64);
//!
//! impl Job for Square {
//!     const NAME: &'static str = "square";
//!     type Output = u64;
//!     type Error = RemoteError;
//!     type Context = ();
//!
//!     fn run(self, _: &mut ()) -> Result<u64, RemoteError> {
//!         self.0.checked_mul(self.0).ok_or_else(|| RemoteError::msg("the square overflows"))
//!     }
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     pool::enter_if_worker::<Square>();
//!     let pool = ProcessPool::<Square>::builder().workers(4).build()?;
//!     let squares: Result<Vec<u64>, _> = pool.map((0..1000).map(Square)).collect();
//!     assert_eq!(squares?[..4], [0, 1, 4, 9]);
//!     pool.join();
//!     Ok(())
//! }
//! ```
//!
//! Dropping an executor closes it and returns at once; its jobs continue in the background. Jobs that have
//! not ended when `main` returns are lost: call [`join`](Executor::join), await
//! [`shutdown`](Executor::shutdown), or use a [`scope`](Executor::scope).
//!
//! # Features
//!
//! | feature | effect |
//! |---|---|
//! | `bincode` (default) | bincode 2, the default codec. Its authors ended the project: it is unmaintained |
//! | `postcard` | postcard; the default codec without `bincode`. Adds no dependency |
//! | `codecs` | all codecs other than bincode, to compare them |
//!
//! A program without unmaintained dependencies uses `default-features = false, features = ["postcard"]`. One
//! of `bincode` and `postcard` is required on Linux.

/// The examples of the README and of the book, which are compiled and run as documentation tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../README.md")]
    struct Readme;

    #[doc = include_str!("../../../docs/src/library.md")]
    struct Library;

    #[doc = include_str!("../../../docs/src/library-data.md")]
    struct LibraryData;
    #[doc = include_str!("../../../docs/src/library-entry.md")]
    struct LibraryEntry;
    #[doc = include_str!("../../../docs/src/library-operation.md")]
    struct LibraryOperation;
    #[doc = include_str!("../../../docs/src/library-pressure.md")]
    struct LibraryPressure;
}

mod callback;
mod cores;
mod counts;
#[cfg(target_os = "linux")]
pub mod data;
#[cfg(target_os = "linux")]
mod entry;
mod executor;
#[cfg(target_os = "linux")]
pub mod functions;
pub mod future;
pub mod map;
#[cfg(target_os = "linux")]
mod observer;
mod options;
#[cfg(target_os = "linux")]
pub mod output;
mod platform;
mod pressure;
#[cfg(target_os = "linux")]
mod processes;
mod run;
#[cfg(test)]
mod sample;
#[doc(hidden)]
pub mod sealed;
mod serial;
mod shutdown;
pub mod stream;
mod thread_group;
mod threads;

#[cfg(target_os = "linux")]
#[doc(hidden)]
pub use entry::macro_support;
pub use executor::Executor;
pub use future::JobFuture;
#[doc(inline)]
pub use job::{Job, JobError};
#[cfg(target_os = "linux")]
#[doc(inline)]
pub use job_macros::job;
#[cfg(target_os = "linux")]
pub use processes::ProcessPool;
pub use serial::Serial;
#[cfg(target_os = "linux")]
#[doc(inline)]
pub use serve::enter_if_worker;
pub use threads::ThreadPool;

/// Reasons why jobs fail, are not accepted, or a pool cannot be built.
pub mod error {
    pub use crate::pressure::TrySubmitError;
    #[cfg(target_os = "linux")]
    pub use crate::processes::{BuildError, SandboxError, WorkerCountError};
    #[doc(inline)]
    pub use job::{
        Crash, Crashed, Death, DeathCause, Denied, ErrorType, Lost, OutOfMemory, Panic, RemoteError,
        SubmitError, TimedOut,
    };
    #[cfg(target_os = "linux")]
    #[doc(inline)]
    pub use wire::{CodecError, RendezvousError, UnknownCodec};
}

/// Counts, times and events of executors and their workers.
pub mod metrics {
    pub use crate::counts::Counts;
    #[cfg(target_os = "linux")]
    pub use crate::{
        observer::{Observer, PoolEvent},
        processes::{RunningJob, WorkerState},
    };
    #[doc(inline)]
    pub use job::{
        BatchId, JobId, MonotonicInstant, ParentStats, ProgramStats, Stage, StageTimes, ThreadStats,
        WorkerId, WorkerStats,
    };
}

/// Settings of pools and options of jobs.
pub mod settings {
    #[cfg(target_os = "linux")]
    pub use crate::processes::{MAX_NESTING, MAX_WORKERS, ProcessPoolBuilder};
    pub use crate::{cores::available_cores, options::JobOptions, threads::ThreadPoolBuilder};
    #[cfg(target_os = "linux")]
    #[doc(inline)]
    pub use sandbox::{Level as SandboxLevel, Sandbox};
    #[cfg(target_os = "linux")]
    #[doc(inline)]
    pub use sched::{BatchSize, OnWorkerDeath};
    #[cfg(target_os = "linux")]
    #[doc(inline)]
    pub use wire::{CodecKind, Transport};
}

/// State of workers, and what a worker process needs besides its entry.
pub mod worker {
    pub use crate::options::WorkerReport;
    #[doc(inline)]
    pub use job::Context;
    #[cfg(target_os = "linux")]
    #[doc(inline)]
    pub use serve::{WatchedAllocator, is_worker, serve_as_worker};
}

#[cfg(target_os = "linux")]
use self::observer::{Observer, PoolEvent};
use self::{
    cores::available_cores,
    options::{JobOptions, WorkerReport},
    pressure::{SubmitAsync, TrySubmitError},
    stream::{Resolved, Sink, Submitter},
};
use job::SubmitError;
