//! The vocabulary that every other room shares: what a job is, how jobs and workers are named, how a job can
//! end, and which stages it passes on its way.
//!
//! This crate is pure: no clock, no thread, no file, no socket.

mod crash;
mod death;
mod stats;
mod id;
mod instant;
mod outcome;
mod stage_times;
mod stage;
mod task;

pub use crash::Crash;
pub use death::{Death, DeathCause};
pub use stats::{ThreadStats, ParentStats, ProgramStats, WorkerStats};
pub use id::{BatchId, JobId, JobRange, WorkerId};
pub use instant::MonotonicInstant;
pub use outcome::{JobError, Outcome, Panic};
pub use stage_times::StageTimes;
pub use stage::Stage;
pub use task::{Context, Job};
