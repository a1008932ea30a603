//! The vocabulary that every other room shares: what a job is, how jobs and workers are named, how a job can
//! end, and which stages it passes on its way.
//!
//! This crate is pure: no clock, no thread, no file, no socket.

mod crash;
mod death;
mod figures;
mod id;
mod moment;
mod outcome;
mod spent;
mod stage;
mod task;

pub use crash::Crash;
pub use death::{Death, DeathCause};
pub use figures::{LaneFigures, ParentFigures, ProgramFigures, WorkerFigures};
pub use id::{BatchId, JobId, JobRange, WorkerId};
pub use moment::Moment;
pub use outcome::{Failure, Outcome, Panic};
pub use spent::Spent;
pub use stage::Stage;
pub use task::{Context, Job};
