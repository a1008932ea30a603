//! The scheduler: decides which worker runs which jobs, and what follows from deaths and limits.
//!
//! [`Sched::handle`] takes a point in time and an [`Event`] and returns [`Action`]s. It has no clock, thread,
//! file or socket, so a test can replay any sequence of events, and the same sequence always gives the same
//! actions.
//!
//! The scheduler sees jobs as ranges of numbers; the pool holds their bytes. At any time a job is in exactly
//! one place: in the queue, in one batch of one worker, or resolved.

mod cancel;
mod cost;
mod death;
mod dispatch;
mod event;
mod invariants;
mod limits;
mod pauses;
mod queue;
mod rebalance;
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
