//! Execution of a plan.
//!
//! The coordinator alone decides how a run continues and ends. All other threads send it [`RunEvent`](crate::event::RunEvent)s:
//!
//! - the [`reader`] thread parses jobs and submits them to the executor;
//! - the executor's threads pass outcomes to the [reorder buffer](crate::output::ReorderBuffer), or with a
//!   journal to the [`journal_recorder`], which records them first;
//! - the [`writer_thread`] prints records;
//! - the signal thread (see [`console::signals`]) sends events too; during [`connect`] they cancel the
//!   connection to a cluster.
//!
//! With `--resume`, [`resume`] compares the jobs with those recorded earlier.

mod connect;
mod coordinator;
mod journal_recorder;
mod open_files;
mod open_journal;
mod parsed_chunk;
mod parsers;
mod programs;
mod reader;
mod reader_thread;
mod resume;
mod spool;
mod startup_check;
mod submit;
mod writer_thread;

#[cfg(feature = "cluster")]
pub(crate) use coordinator::GRACE_PERIOD;
pub(crate) use coordinator::run;
pub(crate) use open_files::Files;
pub(crate) use reader::{JobConsumer, JobReader, ReadEnd, ReadJob};
