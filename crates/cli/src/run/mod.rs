//! Carrying out a plan.
//!
//! Threads that each do one thing tell the coordinator their news, and it alone decides how the run goes on:
//! [`intake`] reads jobs and hands them to the executor, the executor's threads run them and hand the outcomes to the
//! collector, a writer prints, and signals are news too (see [`crate::interrupt`]), which also end the [`connecting`] to a cluster. With a journal, a [`recorder`] takes the outcomes first, and
//! [`resume`] compares the jobs with those that have been recorded before.

mod connecting;
mod coordinator;
mod feeding;
mod intake;
mod journaling;
mod news;
mod opening;
mod parsed;
mod parsers;
mod probation;
mod recorder;
mod resume;
mod runner;
mod spool;
mod writing;

#[cfg(feature = "cluster")]
pub(crate) use coordinator::GRACE;
pub(crate) use coordinator::{ending_of, run};
pub(crate) use intake::{Intake, IntakeEnd, TakenJob, Taker};
pub(crate) use news::{Enough, News};
pub(crate) use opening::Files;
pub(crate) use parsers::MAX_PARSERS;
