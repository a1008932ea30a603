//! Decides and never acts.
//!
//! [`Sched::handle`] takes a moment and an [`Event`] and answers with [`Action`]s. It has no clock, thread, file or
//! socket, so a test can drive it through any history, and the same history always ends the same.
//!
//! Jobs are ranges of numbers here; what they are and where their bytes lie is the pool's business. A job is in
//! exactly one place: in the queue, in one batch of one worker, or resolved.

mod cancel;
mod cost;
mod death;
mod dispatch;
mod event;
mod invariants;
mod limits;
mod pauses;
mod queue;
mod relief;
mod resident;
mod settings;
mod sizing;
mod state;
mod worker;

pub use cost::MeanCost;
pub use event::{Action, Event, StartFailure, Verdict};
pub use resident::RESIDENT_PERIOD;
pub use settings::{BatchSize, OnWorkerDeath, Settings};
pub use state::Sched;
