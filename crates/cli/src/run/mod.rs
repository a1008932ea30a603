//! Carrying out a plan.
//!
//! Threads that each do one thing tell the coordinator their news, and it alone decides how the run goes on:
//! [`intake`] reads jobs and hands them to the executor, the executor's threads run them and hand the outcomes to the
//! collector, a writer prints, and a watcher waits for signals.

mod coordinator;
mod intake;
mod news;
mod watcher;

pub(crate) use coordinator::run;
pub(crate) use intake::{Intake, IntakeEnd, Taker};
pub(crate) use news::News;
