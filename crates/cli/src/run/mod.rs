//! Carrying out a plan.
//!
//! Threads that each do one thing tell the coordinator their events, and it alone decides how the run goes on:
//! [`intake`] reads jobs and hands them to the executor, the executor's threads run them and hand the outcomes to the
//! buffer, a writer prints, and signals are events too (see [`crate::interrupt`]), which also end the [`connecting`] to a cluster. With a journal, a [`recorder`] takes the outcomes first, and
//! [`resume`] compares the jobs with those that have been recorded before.

mod connect;
mod coordinator;
mod event;
mod journal_recorder;
mod open_files;
mod open_journal;
mod parsed_chunk;
mod parsers;
mod reader;
mod reader_thread;
mod resume;
mod spool;
mod startup_check;
mod submit;
mod writer_thread;

#[cfg(feature = "cluster")]
pub(crate) use coordinator::GRACE_PERIOD;
pub(crate) use coordinator::{exit_status_of, run};
pub(crate) use event::{RunEvent, StopReason};
pub(crate) use open_files::Files;
pub(crate) use parsers::MAX_PARSERS;
pub(crate) use reader::{JobConsumer, JobReader, ReadEnd, ReadJob};
