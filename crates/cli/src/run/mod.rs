//! Execution of a plan.
//!
//! The coordinator alone decides how a run continues and ends. All other threads send it
//! [`RunEvent`](crate::event::RunEvent)s:
//!
//! - the [`reader`] thread parses jobs and submits them to the executor;
//! - the executor's threads pass outcomes to the [reorder buffer](crate::output::ReorderBuffer), or with a
//!   journal to the [`journal_recorder`], which records them first;
//! - the [`writer_thread`] prints records;
//! - the signal thread (see [`console::signals`]) sends events too; during [`connect`] they cancel the
//!   connection to a cluster.
//!
//! Beside them, [`admission`] holds the executor while the machine is busy with other work.
//!
//! With `--resume`, [`resume`] compares the jobs with those recorded earlier.

mod admission;
mod connect;
mod consumer;
mod coordinator;
mod journal_recorder;
mod observers;
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

use std::{sync::mpsc::channel, time::Instant};

use console::ExitStatus;

#[cfg(feature = "cluster")]
pub(crate) use self::coordinator::GRACE_PERIOD;
pub(crate) use self::{
    consumer::{JobConsumer, ReadEnd, ReadJob},
    open_files::Files,
    reader::JobReader,
};

use self::connect::StartError;
use crate::{error, plan::Plan};

/// Runs the jobs and prints their results.
pub(crate) fn run(plan: &Plan) -> ExitStatus {
    let start = Instant::now();
    let (events, receiver) = channel();
    match coordinator::begin(plan, start, &events, &receiver) {
        Ok(run) => run.finish(plan, &receiver),
        Err(StartError::Signalled(signal)) => ExitStatus::Signal(signal),
        Err(StartError::Failed(error)) => {
            error::print(&error);
            error.exit_status()
        }
    }
}
