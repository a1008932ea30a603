//! Basic types shared by all other crates: the [`Job`] trait, identifiers of jobs, batches and workers,
//! outcomes, and the stages of the pipeline.
//!
//! Internal; unstable; use `runner-pool`.
//!
//! This crate is pure: no clock, no thread, no file, no socket.

mod crash;
mod death;
mod error;
mod id;
mod instant;
mod outcome;
mod panic;
mod remote_error;
mod stage;
mod stage_times;
mod stats;
mod task;

pub use crash::Crash;
pub use death::{Death, DeathCause};
pub use error::{Crashed, Denied, JobError, Lost, OutOfMemory, SubmitError, TimedOut};
pub use id::{BatchId, JobId, JobRange, WorkerId};
pub use instant::MonotonicInstant;
pub use outcome::Outcome;
pub use panic::Panic;
pub use remote_error::{ErrorType, RemoteError};
pub use stage::Stage;
pub use stage_times::StageTimes;
pub use stats::{ParentStats, ProgramStats, ThreadStats, WorkerStats};
pub use task::{Context, Job};
